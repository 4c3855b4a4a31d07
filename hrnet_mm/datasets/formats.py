"""The annotation formats of a folder, the kinds of its annotations, and its checked content."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import cv2

from ..errors import UserError, did_you_mean
from .classes import find_class_folders, read_classes
from .coco import find_coco, read_coco
from .content import FORMATS, Annotations, Content, Folder, Points, color_statistics
from .deeplabcut import find_deeplabcut, read_deeplabcut
from .points import read_points, with_points
from .split import split_images

__all__ = ['find_annotations', 'read_folder', 'semantic_file']


def find_annotations(path: Path) -> list[Annotations]:
    """Find out what a folder is annotated with: keypoints if there are any, else what its files hold.

    Raises:
        UserError: The folder has no known annotation format.
    """
    _check_is_folder(path)
    if files := find_coco(path, 'instances'):
        content = read_coco(path, files['train'], 'train')
        if any(any(one.get('keypoints') or []) for one in content['annotations']):
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
    if annotations not in get_args(Annotations):
        raise UserError(f'unknown annotations {annotations!r}{did_you_mean(annotations, get_args(Annotations))}')
    _check_is_folder(path)
    parts, points = _read_parts(path, annotations)
    if len(parts) == 1:
        train, val, split = split_images(parts[0], path)
    else:
        train, val = parts
        _check_parts(path, train, val)
        split = (
            f'{path} has a validation part: {len(train["images"])} images are for training, {len(val["images"])} for it'
        )
    folder = Folder(path, train, val, split, *color_statistics(path, train), points=points)
    if annotations == 'regions':
        _check_regions(folder)
    return folder


def _check_is_folder(path: Path) -> None:
    if not path.is_dir():
        raise UserError(f'{path} is not a folder; {FORMATS}')


def _read_parts(path: Path, annotations: Annotations) -> tuple[list[Content], Points | None]:
    if annotations == 'classes':
        return _read_class_folders(path), None
    files = find_coco(path, 'keypoints' if annotations == 'keypoints' else 'instances')
    contents = [read_coco(path, file, part) for part, file in files.items()]
    if annotations != 'keypoints':
        if not files:
            raise UserError(f'{path}: {annotations} need a COCO file, and there is no train.json; {FORMATS}')
        return [_with_boxes(file, content) for file, content in zip(files.values(), contents, strict=True)], None
    if files:
        points = read_points(files['train'], contents[0])
        return [with_points(one, points, file) for file, one in zip(files.values(), contents, strict=True)], points
    tables = find_deeplabcut(path)
    if not tables:
        raise UserError(f'{path}: keypoints need train.json with "keypoints", or CollectedData_*.csv; {FORMATS}')
    content, points = read_deeplabcut(path, tables)
    return [with_points(content, points, tables[0])], points


def _read_class_folders(path: Path) -> list[Content]:
    folders = find_class_folders(path)
    if not folders:
        raise UserError(f'{path}: classes need a folder of images for each class; {FORMATS}')
    return [read_classes(path, folder) for folder in folders.values()]


def _with_boxes(file: Path, content: Content) -> Content:
    """The content with the area and `iscrowd` of each box, which metrics need and many files leave out."""
    annotations = []
    for one in content['annotations']:
        if len(one.get('bbox') or ()) != 4:
            raise UserError(f'{file}: annotation {one.get("id")} has no "bbox" of [x, y, width, height]; {FORMATS}')
        annotations.append({'area': one['bbox'][2] * one['bbox'][3], 'iscrowd': 0, **one})
    return {**content, 'annotations': annotations}


def _check_parts(path: Path, train: Content, val: Content) -> None:
    names: Sequence[list[str]] = [[one['name'] for one in part['categories']] for part in (train, val)]
    if names[0] != names[1]:
        raise UserError(
            f'{path}: the training and the validation part list different categories; they must be the same'
        )
    shared = {image['file_name'] for image in train['images']} & {image['file_name'] for image in val['images']}
    if shared:
        raise UserError(f'{path}: {min(shared)} is in both parts; an image may be for training or for validation only')


def _check_regions(folder: Folder) -> None:
    if not folder.has_semantic and not folder.has_masks:
        raise UserError(f'{folder.path}: regions need a "segmentation" for every annotation, or semantic/')
    if folder.has_semantic:
        for image in (*folder.train['images'], *folder.val['images']):
            _check_semantic(folder.path, image, len(folder.classes))


def _check_semantic(path: Path, image: Content, num_classes: int) -> None:
    file = semantic_file(path, image['file_name'])
    label = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.is_file() else None
    if label is None or label.shape != (image['height'], image['width']):
        size = f'{image["width"]} x {image["height"]}'
        raise UserError(f'{file} is not a gray image of {size} pixels; semantic/ must label every image or be left out')
    if label.max() > num_classes:
        raise UserError(
            f'{file} holds the label {label.max()}, but there are {num_classes} classes; '
            '0 must be background and i the i-th category'
        )


def semantic_file(path: Path, name: str) -> Path:
    """The label image of the image `name`: the file of the same place in semantic/ as below `path` or its images/."""
    return (path / 'semantic' / name.removeprefix('images/')).with_suffix('.png')
