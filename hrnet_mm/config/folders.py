"""Check of the data sets of a config whose annotations are folders or lists: mmseg's and mmpretrain's."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.registry import DATASETS, MODELS

from ..annotations import (
    Header,
    Present,
    Report,
    check_class_folders,
    check_label_sizes,
    check_label_values,
    check_list,
    listed,
    read_headers,
)
from ..registry import class_of, type_name
from .files import innermost_datasets
from .labels import class_names, setting

__all__ = ['base_of', 'check_folders']

Counts = list[tuple[Counter[str], Counter[str]]]
"""For each data set, how often each class occurs, and each keypoint."""

_IMAGES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


def check_folders(config: Mapping[str, Any], loader: str, skips: bool, report: Report) -> Counts:
    """Check the data sets of a loader that read folders or lists in their library's own way.

    Args:
        config: The config, whose library is the default scope.
        loader: The loader's name.
        skips: Whether images that cannot be read are skipped, as the user wishes.
        report: Takes the findings.

    Returns:
        The labels of each data set whose labels could be counted.
    """
    counts: Counts = []
    dataset = (config.get(loader) or {}).get('dataset')
    for one in innermost_datasets(dataset) if dataset else ():
        owner = class_of(one, DATASETS)
        if one.get('backend_args') or '://' in f'{one.get("data_root")}{one.get("ann_file")}':
            continue
        where = f'{loader}.dataset ({type_name(one)})'
        found = Report() if skips else report
        if _reads_as(owner, 'mmseg.BaseSegDataset'):
            counted = _check_label_folder(where, one, owner, found)
        elif _reads_as(owner, 'mmpretrain.CustomDataset'):
            counted = _check_classes(config, loader, one, owner, found)
        else:
            continue
        if found is not report:
            for finding in found.findings:
                say = report.warning if _is_of_an_image(finding.sentence) else report.error
                (say if finding.level == 'error' else report.warning)(str(finding))
        if counted is not None:
            counts.append((counted, Counter()))
    return counts


def _is_of_an_image(sentence: str) -> bool:
    return 'is not an image that OpenCV can read' in sentence or 'does not exist, but' in sentence


def base_of(owner: Any, kind: str) -> Any:
    """Return the class that a class inherits from, by LIBRARY.NAME; None if it does not."""
    library, _, name = kind.partition('.')
    bases = owner.__mro__ if isinstance(owner, type) else ()
    return next((base for base in bases if base.__name__ == name and base.__module__.startswith(f'{library}.')), None)


def _reads_as(owner: Any, kind: str) -> bool:
    base = base_of(owner, kind)
    return base is not None and owner.load_data_list is base.load_data_list


def _joined(root: Any, name: Any) -> Path:
    return Path(os.path.expanduser(root or ''), os.path.expanduser(name or ''))


def _check_label_folder(where: str, dataset: Mapping[str, Any], owner: Any, report: Report) -> Counter[str] | None:
    """Check an mmseg data set; return the images with each class, if all label images were read."""
    prefix = dataset.get('data_prefix') or {}
    images, labels = (_joined(dataset.get('data_root'), prefix.get(name)) for name in ('img_path', 'seg_map_path'))
    ends = [str(setting(dataset, owner, name)) for name in ('img_suffix', 'seg_map_suffix')]
    file = _joined(dataset.get('data_root'), dataset.get('ann_file')) if dataset.get('ann_file') else None
    if not images.is_dir() or not labels.is_dir() or (file is not None and not file.exists()):
        return None  # left to `missing_files`
    if file is not None and file.is_file():
        names = _listed_names(file, report)
        source = file
    else:
        names = _found_names(images, labels, ends[0], ends[1], report)
        source = images
    if not names:
        report.error(f'{source}: {where} has no image that ends in {ends[0]!r}; correct img_suffix or the folder')
    present, pairs = Present(), []
    for name in names:
        image, label = images / f'{name}{ends[0]}', labels / f'{name}{ends[1]}'
        if image not in present:
            report.error(
                f'{image} does not exist, but {source} lists it; correct data_prefix or img_suffix of {where}, or the '
                'file',
                source,
                'missing',
            )
        elif label not in present:
            report.error(
                f'{label} does not exist, which must label {image}; add it, or take the image out of {source}',
                source,
                'no label',
            )
        else:
            pairs.append((image, label))
    steps = [step for step in dataset.get('pipeline') or () if isinstance(step, Mapping)]
    turns = not any(step.get('color_type') in ('color_ignore_orientation', 'unchanged') for step in steps)
    sized = []
    for (image, label), header in zip(pairs, read_headers([image for image, _ in pairs]), strict=True):
        if isinstance(header, str):
            report.error(
                f'{image} is not an image that OpenCV can read ({header}); replace it, or take it out of {source}',
                source,
                'image',
            )
        else:
            sized.append((image.name, header, label))
    fitting = check_label_sizes(
        [(name, header) for name, header, _ in sized], [label for *_, label in sized], turns, source, report
    )
    return _check_values(where, dataset, owner, fitting, report)


def _check_values(
    where: str, dataset: Mapping[str, Any], owner: Any, labels: Sequence[tuple[Path, Header]], report: Report
) -> Counter[str] | None:
    names = class_names(dataset, owner)
    if names is None or not labels:
        return None
    # Where a config chooses some of the classes of a data set, the labels are those of all.
    stored = tuple(map(str, (owner.METAINFO or {}).get('classes') or ())) or names
    if not set(names) <= set(stored):
        report.error(f'{where}: metainfo.classes must be some of {", ".join(stored)[:200]}, which its class has')
        return None
    reduces = bool(setting(dataset, owner, 'reduce_zero_label'))
    ignored = setting(dataset, owner, 'ignore_index')
    counts = check_label_values(labels, stored, reduces, 255 if ignored is None else ignored, report)
    return None if counts is None else Counter({name: counts[name] for name in names})


def _listed_names(file: Path, report: Report) -> list[str]:
    """The names in a list, each once."""
    lines: dict[str, int] = {}
    for number, line in enumerate(file.read_text(encoding='utf-8', errors='replace').rstrip('\n').split('\n'), 1):
        name = line.strip()
        if not name:
            report.error(f'{file}: line {number} is empty; expected the name of an image', file, 'line')
        elif (first := lines.setdefault(name, number)) != number:
            report.warning(
                f'{file}: line {number} is the image {name!r} of line {first} again, so that it counts twice; remove '
                'one',
                file,
                'twice',
            )
    return list(lines)


def _found_names(images: Path, labels: Path, image_end: str, label_end: str, report: Report) -> list[str]:
    """The names of the images in a folder; what is left out is told."""
    here = _files_below(images)
    names = sorted(name.removesuffix(image_end) for name in here if name.endswith(image_end))
    if images == labels:  # the labels of such a folder are among its images if their ends do not differ
        return [name for name in names if not f'{name}{image_end}'.endswith(label_end) or image_end == label_end]
    others = Counter(Path(name).suffix for name in here if not name.endswith(image_end))
    for suffix, count in others.items():
        if suffix.lower() in _IMAGES:
            report.warning(
                f'{images}: {count} file{"s"[: count != 1]} of {suffix} {"are" if count != 1 else "is"} left out, '
                f'because img_suffix is {image_end!r}; give all the same end'
            )
    known = set(names)
    for name in sorted(_files_below(labels)):
        if name.endswith(label_end) and name.removesuffix(label_end) not in known:
            report.warning(
                f'{labels / name} labels no image of {images} and is left out; add the image, or remove the file',
                images,
                'no image',
            )
    return names


def _files_below(folder: Path) -> list[str]:
    """The files at any depth, by their paths below the folder, without hidden ones, as in mmengine."""
    return [
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, names in os.walk(folder)
        for name in names
        if not name.startswith('.')
    ]


def _check_classes(
    config: Mapping[str, Any], loader: str, dataset: Mapping[str, Any], owner: Any, report: Report
) -> Counter[str] | None:
    """Check an mmpretrain data set; return the images of each class, if they have classes."""
    images, file = _places(dataset, owner)
    if not images.is_dir() or not (file is None or file.is_file()) or not _is_labeled(dataset, owner):
        return None
    names = class_names(dataset, owner)
    if file is not None:
        head = (config.get('model') or {}).get('head') or {}
        number = setting(head, class_of(head, MODELS), 'num_classes')
        known = names or (tuple(map(str, range(number))) if isinstance(number, int) else ())
        return check_list(file, images, known, report)
    ends: Iterable[str] = setting(dataset, owner, 'extensions') or getattr(owner, 'IMG_EXTENSIONS', ())
    found, counts = check_class_folders(images, names, ends, report)
    for folder, others in _class_folders(config) if loader != 'train_dataloader' else ():
        if others != found and len(others) == len(found):
            i = next(i for i, (mine, its) in enumerate(zip(found, others, strict=True)) if mine != its)
            report.error(
                f'{images}: class {i} is the folder {found[i]!r}, but in {folder} it is {others[i]!r}; '
                'both need the same folders'
            )
        elif others != found:
            report.error(
                f'{images} has the folders {listed(found)}, but {folder} has {listed(others)}, so that the labels '
                'mean other classes; both need the same folders'
            )
    return counts


def _places(dataset: Mapping[str, Any], owner: Any) -> tuple[Path, Path | None]:
    """The folder of the images, and the list, if there is one."""
    root, prefix = dataset.get('data_root'), dataset.get('data_prefix') or ''
    prefix = prefix.get('img_path') if isinstance(prefix, Mapping) else prefix
    name, split = dataset.get('ann_file') or '', dataset.get('split') or ''
    if split and base_of(owner, 'mmpretrain.ImageNet') is not None:
        prefix = prefix or split
        name = name or (f'meta/{split}.txt' if _joined(root, f'meta/{split}.txt').is_file() else '')
    return _joined(root, prefix), _joined(root, name) if name else None


def _class_folders(config: Mapping[str, Any]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the folders of the training, and the names of the folders of classes in them."""
    dataset = (config.get('train_dataloader') or {}).get('dataset')
    for one in innermost_datasets(dataset) if dataset else ():
        owner = class_of(one, DATASETS)
        images, file = _places(one, owner)
        if _reads_as(owner, 'mmpretrain.CustomDataset') and file is None and images.is_dir():
            yield images, tuple(sorted(one.name for one in images.iterdir() if one.is_dir()))


def _is_labeled(dataset: Mapping[str, Any], owner: Any) -> bool:
    return setting(dataset, owner, 'with_label') is not False and dataset.get('split') != 'test'
