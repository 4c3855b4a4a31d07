"""Check of the COCO files that a config's data sets and evaluators name, and of their images."""

import importlib.util
import os.path
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from ..annotations import (
    Finding,
    Header,
    Report,
    Use,
    check_coco,
    check_coverage,
    check_structure,
    count_labels,
    read_headers,
    read_json,
)
from ..registry import class_of, scope_of, type_name
from .files import innermost_datasets
from .types import has_registries

__all__ = ['data_findings']

_FORMAT = 'expected the lists "images", "annotations" and "categories" of COCO'
_READERS = {
    # Methods that read a file, and an entry in it, by the class that a data set inherits from.
    'mmdet.CocoDataset': ('load_data_list', 'parse_data_info'),
    'mmpose.BaseCocoStyleDataset': ('_load_annotations', 'parse_data_info'),
    'hrnet_mm.CocoSegDataset': ('load_data_list', 'load_data_list'),
}


@dataclass
class _Set:
    """A data set of a config whose annotations are in a COCO file."""

    where: str
    file: Path
    images: Path
    use: Use
    labels: tuple[Path, str] | None = None  # the folder and the suffix of label images


def data_findings(config: Config, training: bool) -> list[Finding]:
    """Check the COCO files that a config reads, and the sizes of their images.

    Files that do not exist are left to `missing_files`, and data behind a `backend_args` are not read.

    Args:
        config: The config.
        training: Whether it is for training, with the validation; otherwise for a test.

    Returns:
        The mistakes and warnings, each beginning with the file.
    """
    scope = scope_of(config) or 'mmengine'
    report = Report()
    if not has_registries(scope):
        return []
    with DefaultScope.overwrite_default_scope(scope):
        parts = {name: _read_part(config, name, report) for name in (('train', 'val') if training else ('test',))}
    if training and all(parts.values()):
        where = config.filename or 'the config'
        for i, kind in enumerate(('class', 'keypoint')):
            train, val = (sum((counts[i] for counts in parts[name]), Counter[str]()) for name in parts)
            # A sum of counters drops zeros.
            names = dict.fromkeys(name for part in parts.values() for counts in part for name in counts[i])
            zeros = dict.fromkeys(names, 0)
            check_coverage(where, kind, {**zeros, **train}, {**zeros, **val}, report)
    return report.findings


def _read_part(config: Config, name: str, report: Report) -> list[tuple[Counter[str], Counter[str]]]:
    """Check the data sets and evaluators of a part; return the labels of each data set whose labels can be counted."""
    loader = config.get(f'{name}_dataloader') or {}
    evaluators = list(_coco_evaluators(config.get(f'{name}_evaluator')))
    submits = bool(evaluators) and all(one.get('format_only') for one in evaluators)  # without measuring
    sample_hook = (config.get('default_hooks') or {}).get('sample') or {}
    skips = name == 'train' and sample_hook.get('on_bad_sample') == 'skip'
    named = {os.path.abspath(one['ann_file']): one for one in evaluators if one.get('ann_file')}
    counts = []
    ids: set[Any] | None = set()
    sets = list(_sets(f'{name}_dataloader.dataset', loader.get('dataset'), report))
    for one in sets:
        evaluator = named.pop(os.path.abspath(one.file), None)
        if evaluator is None and scope_of(config) == 'mmpose' and not named and len(sets) == 1:
            evaluator = next(iter(evaluators), None)  # mmpose's metric then reads the file of the data set
        coco = _check_file(replace(one, use=replace(one.use, skips=skips)), evaluator, report)
        ids = None if coco is None or ids is None else ids | {image['id'] for image in coco['images']}
        if coco is None:
            continue
        if one.use.boxes or one.use.keypoints:
            counted = count_labels(coco, one.use)
            counts.append(counted)
            if not submits and not sum(counted[0].values()) and not sum(counted[1].values()):
                verb = 'learn' if name == 'train' else 'measure'
                report.error(f'{one.file}: no object of {one.where} is left, so there is nothing to {verb}; correct it')
    for file, evaluator in named.items():
        if Path(file).is_file() and not evaluator.get('backend_args'):
            classes = next((one.use.classes for one in sets), None)
            _check_evaluators_file(Path(evaluator['ann_file']), evaluator, classes, ids if sets else None, report)
    return counts


def _check_file(one: _Set, evaluator: Mapping[str, Any] | None, report: Report) -> Mapping[str, Any] | None:
    """Check a data set's file; return its content if it has no mistake."""
    before = len(report.errors)
    coco = _load(one.file, report)
    if coco is None or any('segments_info' in annotation for annotation in coco['annotations'][:1]):
        return None  # panoptic segments are not objects
    use = one.use
    if evaluator is not None:
        use = replace(use, evaluated=True, masks=use.masks or 'segm' in (evaluator.get('metric') or ()))
    files: list[Path | None] = []
    for image in coco['images']:
        file = one.images / image['file_name']
        if not file.is_file():
            say = report.warning if use.skips else report.error
            say(
                f'{file} does not exist, but {one.file} lists it; correct data_prefix of {one.where}, or the file',
                one.file,
                'missing',
            )
        files.append(file if file.is_file() else None)
    headers = check_coco(one.file, coco, use, files, report)
    if one.labels is not None:
        _check_labels(one, coco, headers, report)
    return coco if len(report.errors) == before else None


def _check_labels(one: _Set, coco: Mapping[str, Any], headers: Sequence[Header | None], report: Report) -> None:
    """Compare the sizes of label images, which are read as they are stored, with those of the images."""
    assert one.labels is not None
    folder, suffix = one.labels
    images = [(image, header) for image, header in zip(coco['images'], headers, strict=True) if header is not None]
    files = [
        folder / (image.get('seg_file_name') or Path(image['file_name']).with_suffix(suffix)) for image, _ in images
    ]
    for file, label, (image, header) in zip(files, read_headers(files), images, strict=True):
        size = (header.width, header.height) if one.use.turns else header.stored
        if isinstance(label, str):
            report.error(f'{file} is not the label image of {image["file_name"]!r} ({label})', one.file, 'label')
        elif label.stored != size:
            report.error(
                f'{file} has {label.stored[0]} x {label.stored[1]} pixels, but the image {image["file_name"]!r} is '
                f'read as {size[0]} x {size[1]}; label the image that is there',
                one.file,
                'label size',
            )


def _check_evaluators_file(
    file: Path,
    evaluator: Mapping[str, Any],
    classes: tuple[str, ...] | None,
    ids: set[Any] | None,
    report: Report,
) -> None:
    """Check a file that only an evaluator reads."""
    coco = _load(file, report)
    if coco is None:
        return
    use = Use(evaluated=True, sizes=False, masks='segm' in (evaluator.get('metric') or ()), classes=classes)
    check_coco(file, coco, use, [None] * len(coco['images']), report)
    listed = {image['id'] for image in coco['images'] if isinstance(image['id'], int | float | str)}
    if ids is not None and not ids <= listed:
        missing = sorted(ids - listed, key=str)
        report.error(
            f'{file}: the evaluator lacks {len(missing)} images of the data set, such as {missing[0]!r}; '
            'name the file of the data set in both places'
        )
    elif ids and listed - ids:
        report.warning(
            f'{file}: the evaluator counts {len(listed - ids)} of {len(listed)} images that the data set does not have '
            'as without a prediction; name the file of the data set in both places'
        )


def _load(file: Path, report: Report) -> dict[str, Any] | None:
    try:
        coco: Any = read_json(file)
    except (ValueError, OSError, RecursionError) as error:
        report.error(f'{file} is not JSON ({error}); {_FORMAT}')
        return None
    if not check_structure(file, coco, _FORMAT, report, ('images',)):
        return None
    coco = {'annotations': [], 'categories': [], **coco}
    return {**coco, 'annotations': coco['annotations'] or [], 'categories': coco['categories'] or []}


def _sets(where: str, dataset: Any, report: Report) -> Iterator[_Set]:
    """Yield the data sets whose annotations are in a COCO file that is there."""
    for one in innermost_datasets(dataset) if dataset else ():
        owner = class_of(one, DATASETS)
        kind = _kind(owner)
        name = one.get('ann_file')
        if kind is None or not isinstance(name, str) or not name or one.get('backend_args'):
            continue
        root = Path(one.get('data_root') or '')
        prefix = one.get('data_prefix') or {}
        key = 'img_path' if kind == 'hrnet_mm.CocoSegDataset' else 'img'
        images = root / (prefix.get(key) or '') if isinstance(prefix, Mapping) else root / prefix
        if '://' in str(name) + str(one.get('data_root')) or not (root / name).is_file():
            continue
        reads_entries = getattr(owner, _READERS[kind][1]) is _base(owner, kind).__dict__[_READERS[kind][1]]
        use = Use()
        if kind == 'mmdet.CocoDataset':
            masks = any(step.get('with_mask') for step in one.get('pipeline') or () if isinstance(step, Mapping))
            use = Use(boxes=reads_entries, masks=masks, classes=_classes(where, one, owner, report))
        elif kind == 'mmpose.BaseCocoStyleDataset':
            use = Use(keypoints=reads_entries, points=_points(one, owner) if reads_entries else None)
        else:
            use = Use(sizes=False)
        steps = [step for step in one.get('pipeline') or () if isinstance(step, Mapping)]
        turns = not any(step.get('color_type') in ('color_ignore_orientation', 'unchanged') for step in steps)
        use = replace(use, turns=turns)
        labels = None
        if kind == 'hrnet_mm.CocoSegDataset' and isinstance(prefix, Mapping):
            labels = root / (prefix.get('seg_map_path') or ''), str(one.get('seg_map_suffix', '.png'))
        yield _Set(f'{where} ({type_name(one)})', root / name, images, use, labels)


def _kind(owner: Any) -> str | None:
    """The class in `_READERS` that reads a data set's file, unless the data set reads it in its own way."""
    for kind, (reads, _) in _READERS.items():
        base = _base(owner, kind)
        if base is not None and getattr(owner, reads) is base.__dict__[reads]:
            return kind
    return None


def _base(owner: Any, kind: str) -> Any:
    library, _, name = kind.partition('.')
    bases = owner.__mro__ if isinstance(owner, type) else ()
    return next((base for base in bases if base.__name__ == name and base.__module__.startswith(f'{library}.')), None)


def _classes(where: str, dataset: Mapping[str, Any], owner: Any, report: Report) -> tuple[str, ...] | None:
    """The names of the classes, which are those of the data set's class where the config has none."""
    metainfo = dataset.get('metainfo') or {}
    names = metainfo.get('classes', owner.METAINFO.get('classes'))
    if isinstance(names, str):
        if not Path(names).is_file():
            report.error(
                f'{where}.metainfo.classes: {names!r} is neither a file nor a list of names; with one class, write '
                f'({names!r},)'
            )
            return None
        names = Path(names).read_text().split('\n')
        names = [name for name in names if name]
    return tuple(names) if isinstance(names, list | tuple) else None


def _points(dataset: Mapping[str, Any], owner: Any) -> tuple[str, ...] | None:
    """The names of the keypoints in mmpose's metainfo; None where they cannot be found out."""
    metainfo = dataset.get('metainfo') or owner.METAINFO
    if 'from_file' in metainfo:
        file, library = Path(metainfo['from_file']), importlib.util.find_spec('mmpose')
        if not file.is_file() and library is not None and library.origin is not None:
            file = Path(library.origin).parent / '.mim' / 'configs' / '_base_' / 'datasets' / file.name
        if not file.is_file():
            return None
        metainfo = Config.fromfile(file).get('dataset_info') or {}
    points = sorted((metainfo.get('keypoint_info') or {}).values(), key=lambda point: point['id'])
    return tuple(point['name'] for point in points) or None


def _coco_evaluators(evaluator: Any) -> Iterator[Mapping[str, Any]]:
    for one in evaluator if isinstance(evaluator, list | tuple) else [evaluator or {}]:
        if isinstance(one, Mapping) and type_name(one) == 'CocoMetric':
            yield one
