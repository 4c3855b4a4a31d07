"""Check of the data sets of a config whose annotations are in folders or lists, in any of the libraries' formats."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.registry import DATASETS, MODELS

from ..annotations import (
    DataList,
    Header,
    Labels,
    Present,
    Report,
    check_class_folders,
    check_data_list,
    check_label_sizes,
    check_label_values,
    check_list,
    check_voc,
    listed,
    read_data_list,
    read_headers,
    read_names,
)
from ..registry import class_of, scope_of, type_name
from .files import innermost_datasets
from .labels import class_names, numbers_of_classes, setting
from .readers import base_of, follows_orientation, joined, reads_as, steps_of

__all__ = ['check_folders']

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
        if reads_as(owner, 'mmseg.BaseSegDataset'):
            counted = _check_label_folder(where, one, owner, found)
        elif reads_as(owner, 'mmpretrain.CustomDataset'):
            counted = _check_classes(config, loader, one, owner, found)
        elif reads_as(owner, 'mmdet.XMLDataset', 'parse_data_info'):
            counted = _check_voc(where, one, owner, found)
        elif reads_as(owner, 'mmengine.BaseDataset', 'parse_data_info'):
            counted = _check_data_list(config, loader, one, owner, found)
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
    return 'is not an image that can be read' in sentence or 'does not exist, but' in sentence


def _check_label_folder(where: str, dataset: Mapping[str, Any], owner: Any, report: Report) -> Counter[str] | None:
    """Check an mmseg data set; return the images with each class, if all label images were read."""
    prefix = dataset.get('data_prefix') or {}
    images, labels = (joined(dataset.get('data_root'), prefix.get(name)) for name in ('img_path', 'seg_map_path'))
    ends = [str(setting(dataset, owner, name)) for name in ('img_suffix', 'seg_map_suffix')]
    file = joined(dataset.get('data_root'), dataset.get('ann_file')) if dataset.get('ann_file') else None
    if not images.is_dir() or not labels.is_dir() or (file is not None and not file.exists()):
        return None  # left to `missing_files`
    if file is not None and file.is_file():
        names = [name.strip() for name in read_names(file, report)]
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
    turns = follows_orientation(dataset)
    sized = []
    for (image, label), header in zip(pairs, read_headers([image for image, _ in pairs]), strict=True):
        if isinstance(header, str):
            report.error(
                f'{image} is not an image that can be read ({header}); replace it, or take it out of {source}',
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
        name = name or (f'meta/{split}.txt' if joined(root, f'meta/{split}.txt').is_file() else '')
    return joined(root, prefix), joined(root, name) if name else None


def _class_folders(config: Mapping[str, Any]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the folders of the training, and the names of the folders of classes in them."""
    dataset = (config.get('train_dataloader') or {}).get('dataset')
    for one in innermost_datasets(dataset) if dataset else ():
        owner = class_of(one, DATASETS)
        images, file = _places(one, owner)
        if reads_as(owner, 'mmpretrain.CustomDataset') and file is None and images.is_dir():
            yield images, tuple(sorted(one.name for one in images.iterdir() if one.is_dir()))


def _is_labeled(dataset: Mapping[str, Any], owner: Any) -> bool:
    return setting(dataset, owner, 'with_label') is not False and dataset.get('split') != 'test'


def _check_voc(where: str, dataset: Mapping[str, Any], owner: Any, report: Report) -> Counter[str] | None:
    """Check an mmdet data set in the format of PASCAL VOC; return the objects of each class."""
    file = joined(dataset.get('data_root'), dataset.get('ann_file'))
    root = joined(dataset.get('data_root'), (dataset.get('data_prefix') or {}).get('sub_data_root'))
    names = class_names(dataset, owner)
    if names is None:
        report.error(f'{where}.metainfo.classes: missing; the library needs the names of the classes')
    if names is None or not file.is_file():
        return None
    labels, images = (root / str(setting(dataset, owner, name)) for name in ('ann_subdir', 'img_subdir'))
    counts = check_voc(file, labels, images, names, follows_orientation(dataset), report)
    if not sum(counts.values()) and not report.errors:
        report.error(f'{file}: no object of {where} is left, so there is nothing to learn or measure; correct it')
    return counts


def _check_data_list(
    config: Mapping[str, Any], loader: str, dataset: Mapping[str, Any], owner: Any, report: Report
) -> Counter[str] | None:
    """Check a data set in OpenMMLab's own format; return how often each class occurs, if that is known."""
    images, file = _places(dataset, owner)
    if file is None or file.suffix != '.json' or not file.is_file() or not images.is_dir():
        return None  # left to `missing_files`
    data = read_data_list(file, report)
    if data is None:
        return None
    given, names = class_names(dataset, owner), data.classes
    if given is not None and names is not None and given != names:
        report.error(
            f'{file}: the labels are for the classes {listed(names)}, but those of the config are {listed(given)}, so '
            'that labels get the names of others; use the classes of the file in its order'
        )
        return None
    numbers = dict(numbers_of_classes(config, scope_of(config) or ''))
    names = given or names or tuple(map(str, range(max(numbers.values(), default=0))))
    for place, number in numbers.items() if given is None else ():
        if number != len(names):
            report.error(f'{place}: {number}, but {file} has {len(names)} classes, {listed(names)}')
            return None
    for other in _data_lists(config) if loader != 'train_dataloader' and data.classes else ():
        if other.classes is not None and other.classes != data.classes:
            report.error(
                f'{file} has the classes {listed(data.classes or ())}, but {other.file} has {listed(other.classes)}; '
                'both need the same in the same order'
            )
    labels: Labels | None = None
    if base_of(owner, 'mmdet.BaseDetDataset') is not None:
        labels = 'objects'
    elif numbers or any('gt_label' in one for one in data.entries):
        labels = 'classes' if base_of(owner, 'mmpretrain.MultiLabelDataset') is not None else 'class'
    masks = any(step.get('with_mask') for step in steps_of(dataset))
    return check_data_list(data, images, names, labels, report, masks, follows_orientation(dataset))


def _data_lists(config: Mapping[str, Any]) -> Iterator[DataList]:
    """Yield the content of the files in OpenMMLab's own format that the training reads."""
    dataset = (config.get('train_dataloader') or {}).get('dataset')
    for one in innermost_datasets(dataset) if dataset else ():
        owner = class_of(one, DATASETS)
        _, file = _places(one, owner)
        if reads_as(owner, 'mmengine.BaseDataset', 'parse_data_info') and file is not None and file.is_file():
            content = read_data_list(file, Report())
            yield from [] if content is None else [content]
