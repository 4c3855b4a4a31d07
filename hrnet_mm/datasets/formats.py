"""The annotation formats of a folder, the kinds of its annotations, and its checked content."""

from collections import Counter
from pathlib import Path
from typing import get_args

from ..annotations import Report, Use, check_coverage, count_labels, listed
from ..errors import UserError, did_you_mean
from .classes import find_class_folders, read_classes
from .coco import find_coco, load_coco, read_coco
from .content import FORMATS, Annotations, Content, Folder, Points, color_statistics
from .copies import report_copies
from .deeplabcut import find_deeplabcut, read_deeplabcut
from .labels import check_number_of_labels, check_semantic, semantic_file
from .points import read_points, with_points
from .split import split_images

__all__ = ['check_folder', 'find_annotations', 'read_folder', 'semantic_file']


def find_annotations(path: Path) -> list[Annotations]:
    """Find out what a folder is annotated with: keypoints if there are any, else what its files hold.

    Raises:
        UserError: The folder has no known annotation format.
    """
    _check_is_folder(path)
    if files := find_coco(path, 'instances'):
        content = load_coco(files['train'], Report())
        listed_points = (one.get('keypoints') for one in content['annotations'])
        if any(isinstance(points, list) and any(points) for points in listed_points):
            return ['keypoints']
        has_regions = (path / 'semantic').is_dir() or all(one.get('segmentation') for one in content['annotations'])
        return ['boxes', 'regions'] if has_regions else ['boxes']
    if find_deeplabcut(path):
        return ['keypoints']
    if find_class_folders(path):
        return ['classes']
    raise UserError(f'{path} holds no annotations of a known format; {FORMATS}')


def read_folder(path: Path, annotations: Annotations) -> Folder:
    """Read and check the images of a folder with their annotations, and measure what a training needs of them.

    Without a validation part, a fifth of the images is taken for it.

    Args:
        path: The folder, in one of the formats of docs/tutorials/own_images.md.
        annotations: The kind that is needed; others are not checked.

    Returns:
        The training and the validation part, in COCO's words, with the color statistics of the training part.

    Raises:
        UserError: Something is missing or wrong; the sentence names the file and the formats.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> import cv2
        >>> import numpy as np
        >>> with TemporaryDirectory() as path:
        ...     for name in ('cat', 'dog'):
        ...         Path(path, name).mkdir()
        ...         for i in range(5):
        ...             _ = cv2.imwrite(f'{path}/{name}/{i}.png', np.zeros((8, 8, 3), np.uint8))
        ...     folder = read_folder(Path(path), 'classes')
        >>> folder.classes, len(folder.train['images']), len(folder.val['images'])
        (('cat', 'dog'), 8, 2)
    """
    report = Report()
    folder = check_folder(path, annotations, report)
    report.stop(f'hrnet-mm check {path} shows all')
    assert folder is not None
    return folder


def check_folder(path: Path, annotations: Annotations, report: Report) -> Folder | None:
    """Read a folder as `read_folder` does, but collect all mistakes.

    Args:
        path: The folder.
        annotations: The kind that is needed.
        report: Takes the findings.

    Returns:
        The folder; None if it has mistakes.

    Raises:
        UserError: There is no such kind of annotations.
    """
    if annotations not in get_args(Annotations):
        raise UserError(f'unknown annotations {annotations!r}{did_you_mean(annotations, get_args(Annotations))}')
    with report.collecting():
        _check_is_folder(path)
        parts, points = _read_parts(path, annotations, report)
        report.stop()
        if len(parts) == 1:
            train, val, split = split_images(parts[0], path)
        else:
            train, val = parts
            _check_parts(path, train, val, report)
            split = (
                f'{path} has a validation part: {len(train["images"])} images are for training, '
                f'{len(val["images"])} for it'
            )
        labels = _regions_labels(path, train, val, report) if annotations == 'regions' else None
        _check_objects(path, annotations, train, val, report)
        report_copies(path, train, val, report)
        counts = _check_coverage(path, annotations, train, val, labels, report)
        report.stop()
        statistics = color_statistics(path, train)
        return Folder(path, train, val, split, *statistics, points, tuple(report.warnings), counts)
    return None


def _check_is_folder(path: Path) -> None:
    if not path.is_dir():
        raise UserError(f'{path} is not a folder; {FORMATS}')


def _read_parts(path: Path, annotations: Annotations, report: Report) -> tuple[list[Content], Points | None]:
    if annotations == 'classes':
        return _read_class_folders(path, report), None
    files = find_coco(path, 'keypoints' if annotations == 'keypoints' else 'instances')
    contents = []
    for part, file in files.items():
        with report.collecting():
            contents.append(read_coco(path, file, part, annotations, report))
    report.stop()
    if annotations != 'keypoints':
        if not files:
            raise UserError(f'{path}: {annotations} need a COCO file, and there is no train.json; {FORMATS}')
        return [_with_areas(content) for content in contents], None
    if files:
        points = read_points(files['train'], contents[0])
        if len(files) > 1 and (other := read_points(files['val'], contents[1])).names != points.names:
            raise UserError(
                f'{files["val"]} has the keypoints {listed(other.names)}, but {files["train"]} {listed(points.names)}; '
                'they must be the same, in the same order'
            )
        return [with_points(one, points, file) for file, one in zip(files.values(), contents, strict=True)], points
    tables = find_deeplabcut(path)
    if not tables:
        raise UserError(f'{path}: keypoints need train.json with "keypoints", or CollectedData_*.csv; {FORMATS}')
    content, points = read_deeplabcut(path, tables, report)
    return [with_points(content, points, tables[0])], points


def _read_class_folders(path: Path, report: Report) -> list[Content]:
    folders = find_class_folders(path)
    if not folders:
        raise UserError(f'{path}: classes need a folder of images for each class; {FORMATS}')
    return [read_classes(path, folder, report) for folder in folders.values()]


def _with_areas(content: Content) -> Content:
    """The content with the area of each box, which metrics need, where there is none that can be true."""
    annotations = []
    for one in content['annotations']:
        most = one['bbox'][2] * one['bbox'][3]
        area = one.get('area')
        is_right = type(area) in (int, float) and 0 < area <= 2 * most
        annotations.append({**one, 'area': area if is_right else most})
    return {**content, 'annotations': annotations}


def _check_parts(path: Path, train: Content, val: Content, report: Report) -> None:
    names = [[one['name'] for one in part['categories']] for part in (train, val)]
    if names[0] != names[1]:
        only = [[name for name in mine if name not in other] for mine, other in (names, names[::-1])]
        which = (
            f' ({listed(only[0]) if only[0] else "none"} only in training, '
            f'{listed(only[1]) if only[1] else "none"} only in validation)'
            if any(only)
            else ' (in another order of the ids)'
        )
        report.error(
            f'{path}: the training and the validation part list different categories{which}; they must be the same'
        )
    shared = {image['file_name'] for image in train['images']} & {image['file_name'] for image in val['images']}
    if shared:
        report.error(f'{path}: {min(shared)} is in both parts; an image may be for training or for validation only')


def _regions_labels(path: Path, train: Content, val: Content, report: Report) -> list[Counter[str]] | None:
    """Check what segmentation needs; the numbers of images with each class, where label images show them."""
    check_number_of_labels(path, train, report)
    if (path / 'semantic').is_dir():
        labels = check_semantic(path, [train, val], report)
        report.stop()
        return labels
    for content in (train, val):
        missing = [one for one in content['annotations'] if not one.get('segmentation')]
        for one in missing:
            name = next(image['file_name'] for image in content['images'] if image['id'] == one['image_id'])
            report.error(
                f'{path}: regions need a "segmentation" for every annotation, or semantic/; an annotation of {name} '
                'has none',
                'no mask',
            )
            if len(missing) > 100:
                break
    report.stop()
    return None


def _check_objects(path: Path, annotations: Annotations, train: Content, val: Content, report: Report) -> None:
    """Check that each part has an object, without which there is nothing to learn or to measure."""
    if annotations == 'classes':
        return
    for part, content in (('training', train), ('validation', val)):
        if all(one.get('iscrowd') or one.get('ignore') for one in content['annotations']):
            report.error(
                f'{path}: the {part} part has {len(content["images"])} images without an object, so there is nothing '
                f'to {"learn" if part == "training" else "measure"}; label one that is no crowd'
            )
        elif annotations == 'keypoints':
            with_objects = len({one['image_id'] for one in content['annotations']})
            if with_objects < len(content['images']):
                report.warning(
                    f'{path}: {len(content["images"]) - with_objects} of {len(content["images"])} images of the {part} '
                    'part have no object with a labeled keypoint and are left out; label or remove them'
                )
        elif annotations == 'boxes':
            with_mask = sum(bool(one.get('segmentation')) for one in content['annotations'])
            if 0 < with_mask < len(content['annotations']):
                report.warning(
                    f'{path}: {len(content["annotations"]) - with_mask} of {len(content["annotations"])} annotations '
                    f'of the {part} part have no "segmentation", so boxes alone are trained; add them to train masks'
                )


def _check_coverage(
    path: Path,
    annotations: Annotations,
    train: Content,
    val: Content,
    labels: list[Counter[str]] | None,
    report: Report,
) -> dict[str, tuple[int, int]]:
    """Warn of classes and keypoints that are never learned or measured; return how often each occurs."""
    if annotations == 'classes':
        names = {one['id']: one['name'] for one in train['categories']}
        labels = [Counter(names.get(image['category_id'], '') for image in part['images']) for part in (train, val)]
    if labels is not None:
        check_coverage(path, 'class', labels[0], labels[1], report)
        return _in_parts(*labels)
    use = Use(is_own=True, boxes=annotations != 'keypoints', keypoints=annotations == 'keypoints')
    counted = [count_labels(part, use) for part in (train, val)]
    if annotations != 'keypoints':
        check_coverage(path, 'class', counted[0][0], counted[1][0], report)
    check_coverage(path, 'keypoint', counted[0][1], counted[1][1], report)
    return _in_parts(*(points if annotations == 'keypoints' else classes for classes, points in counted))


def _in_parts(train: Counter[str], val: Counter[str]) -> dict[str, tuple[int, int]]:
    return {name: (train[name], val[name]) for name in dict.fromkeys([*train, *val])}
