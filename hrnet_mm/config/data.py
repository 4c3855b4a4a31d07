"""Check of the annotations that a config's data sets and evaluators name, and of their images."""

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
    check_detections,
    check_label_sizes,
    check_structure,
    count_labels,
    read_json,
)
from ..registry import class_of, scope_of, type_name
from .checked import checked_once
from .files import innermost_datasets
from .folders import check_folders
from .labels import class_names, keypoint_names
from .readers import base_of, follows_orientation, steps_of
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
    boxes: Path | None = None  # of a detector, in place of the annotated ones


def data_findings(config: Config, training: bool, again: bool = True) -> list[Finding]:
    """Check the annotations that a config reads, and their images.

    These are COCO files, mmdet's lists of XML, mmseg's folders of label images, mmpretrain's lists and folders of
    classes, JSON in OpenMMLab's own format, and mmpose's files of boxes. Files that do not exist are left to
    `missing_files`, and data behind a `backend_args` are not read.

    Args:
        config: The config.
        training: Whether it is for training, with the validation; otherwise for a test.
        again: Whether to read data that were checked before without a mistake.

    Returns:
        The mistakes and warnings, each beginning with the file.
    """
    scope = scope_of(config) or 'mmengine'
    if not has_registries(scope):
        return []
    parts = ('train', 'val') if training else ('test',)
    with DefaultScope.overwrite_default_scope(scope):
        return checked_once(config, [f'{name}_dataloader' for name in parts], lambda: _check(config, parts), again)


def _check(config: Config, names: Sequence[str]) -> list[Finding]:
    report = Report()
    parts = {name: _read_part(config, name, report) for name in names}
    if len(parts) > 1 and all(parts.values()):
        where = config.filename or 'the config'
        for i, kind in enumerate(('class', 'keypoint')):
            train, val = (sum((counts[i] for counts in parts[name]), Counter[str]()) for name in parts)
            # A sum of counters drops zeros.
            known = dict.fromkeys(name for part in parts.values() for counts in part for name in counts[i])
            zeros = dict.fromkeys(known, 0)
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
        if one.boxes is not None:
            check_detections(one.boxes, coco['images'], one.file, report)
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
    return counts + check_folders(config, f'{name}_dataloader', skips, report)


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
    """Compare the sizes of label images with those of the images."""
    assert one.labels is not None
    folder, suffix = one.labels
    images = [(image, header) for image, header in zip(coco['images'], headers, strict=True) if header is not None]
    files = [
        folder / (image.get('seg_file_name') or Path(image['file_name']).with_suffix(suffix)) for image, _ in images
    ]
    named = [(image['file_name'], header) for image, header in images]
    check_label_sizes(named, files, one.use.turns, one.file, report)


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
        if kind is not None and not name and not one.get('backend_args'):
            report.error(f'{where}.ann_file: missing; {type_name(one)} reads its annotations from a file')
        if kind is None or not isinstance(name, str) or not name or one.get('backend_args'):
            continue
        root = Path(one.get('data_root') or '')
        prefix = one.get('data_prefix') or {}
        key = 'img_path' if kind == 'hrnet_mm.CocoSegDataset' else 'img'
        images = root / (prefix.get(key) or '') if isinstance(prefix, Mapping) else root / prefix
        if '://' in str(name) + str(one.get('data_root')) or not (root / name).is_file():
            continue
        reads_entries = getattr(owner, _READERS[kind][1]) is base_of(owner, kind).__dict__[_READERS[kind][1]]
        use = Use()
        if kind == 'mmdet.CocoDataset':
            masks = any(step.get('with_mask') for step in steps_of(one))
            use = Use(boxes=reads_entries, masks=masks, classes=_classes(where, one, owner, report))
        elif kind == 'mmpose.BaseCocoStyleDataset':
            use = Use(keypoints=reads_entries, points=keypoint_names(one, owner) if reads_entries else None)
        else:
            use = Use(sizes=False)
        use = replace(use, turns=follows_orientation(one))
        labels = None
        if kind == 'hrnet_mm.CocoSegDataset' and isinstance(prefix, Mapping):
            labels = root / (prefix.get('seg_map_path') or ''), str(one.get('seg_map_suffix', '.png'))
        boxes = Path(one['bbox_file']) if kind == 'mmpose.BaseCocoStyleDataset' and one.get('bbox_file') else None
        if boxes is not None and not boxes.is_file():
            boxes = None  # left to `missing_files`
        yield _Set(f'{where} ({type_name(one)})', root / name, images, use, labels, boxes)


def _kind(owner: Any) -> str | None:
    """The class in `_READERS` that reads a data set's file, unless the data set reads it in its own way."""
    for kind, (reads, _) in _READERS.items():
        base = base_of(owner, kind)
        if base is not None and getattr(owner, reads) is base.__dict__[reads]:
            return kind
    return None


def _classes(where: str, dataset: Mapping[str, Any], owner: Any, report: Report) -> tuple[str, ...] | None:
    """The names of the classes; a text that names no file is a mistake, as each of its letters would be a class."""
    names = (dataset.get('metainfo') or {}).get('classes')
    if isinstance(names, str) and not Path(names).is_file():
        report.error(
            f'{where}.metainfo.classes: {names!r} is neither a file nor a list of names; with one class, write '
            f'({names!r},)'
        )
    return class_names(dataset, owner)


def _coco_evaluators(evaluator: Any) -> Iterator[Mapping[str, Any]]:
    for one in evaluator if isinstance(evaluator, list | tuple) else [evaluator or {}]:
        if isinstance(one, Mapping) and type_name(one) == 'CocoMetric':
            yield one
