"""Finds out which layout a folder has, reads it for a task, and checks it."""

from collections.abc import Sequence
from pathlib import Path

import cv2

from ..errors import UserError
from .classes import find_class_folders, read_classes
from .coco import find_coco, read_coco
from .content import LAYOUTS, Content, Folder, Points, colour_statistics
from .deeplabcut import find_deeplabcut, read_deeplabcut
from .points import read_points, with_points
from .split import split_images

_POINT_TASKS = ('pose', 'faces')


def fitting_tasks(path: Path) -> list[str]:
    """The tasks that a folder's labels are for: pose where there are key-points, else what boxes and masks allow.

    Raises ValueError for a folder of no known layout.
    """
    _check_is_folder(path)
    if files := find_coco(path, 'instances'):
        content = read_coco(path, files['train'], 'train')
        if any(any(one.get('keypoints') or []) for one in content['annotations']):
            return ['pose']
        has_labels = (path / 'semantic').is_dir() or all(one.get('segmentation') for one in content['annotations'])
        return ['instances', 'segmentation'] if has_labels else ['instances']
    if find_deeplabcut(path):
        return ['pose']
    if find_class_folders(path):
        return ['classification']
    raise UserError(f'{path}: no labels are found; {LAYOUTS}')


def read_folder(path: Path, task: str) -> Folder:
    """Check a folder and measure what a training needs to know of it.

    Raises ValueError in one sentence that names what is missing, in which file, and the layouts.
    """
    _check_is_folder(path)
    parts, points = _read_parts(path, task)
    if len(parts) == 1:
        train, val, split = split_images(parts[0], path)
    else:
        train, val = parts
        _check_parts(path, train, val)
        split = (
            f'{path} has a validation part: {len(train["images"])} images are for training, {len(val["images"])} for it'
        )
    folder = Folder(path, train, val, split, *colour_statistics(path, train), points=points)
    if task == 'segmentation':
        _check_labels(folder)
    return folder


def _check_is_folder(path: Path) -> None:
    if not path.is_dir():
        raise UserError(f'{path}: no such folder; {LAYOUTS}')


def _read_parts(path: Path, task: str) -> tuple[list[Content], Points | None]:
    if task == 'classification':
        return _read_class_folders(path), None
    files = find_coco(path, 'keypoints' if task in _POINT_TASKS else 'instances')
    contents = [read_coco(path, file, part) for part, file in files.items()]
    if task not in _POINT_TASKS:
        if not files:
            raise UserError(f'{path}: {task} needs a COCO file, and there is no train.json; {LAYOUTS}')
        return [_with_boxes(file, content) for file, content in zip(files.values(), contents, strict=True)], None
    if files:
        points = read_points(files['train'], contents[0])
        return [with_points(one, points, file) for file, one in zip(files.values(), contents, strict=True)], points
    tables = find_deeplabcut(path)
    if not tables:
        raise UserError(f'{path}: {task} needs train.json with key-points, or CollectedData_*.csv; {LAYOUTS}')
    content, points = read_deeplabcut(path, tables)
    return [with_points(content, points, tables[0])], points


def _read_class_folders(path: Path) -> list[Content]:
    folders = find_class_folders(path)
    if not folders:
        raise UserError(f'{path}: classification needs a folder of images for each class; {LAYOUTS}')
    return [read_classes(path, folder) for folder in folders.values()]


def _with_boxes(file: Path, content: Content) -> Content:
    """The content with what the metrics need of each box, which many files leave out."""
    annotations = []
    for one in content['annotations']:
        if len(one.get('bbox') or ()) != 4:
            raise UserError(f'{file}: annotation {one.get("id")} has no "bbox" of [x, y, width, height]; {LAYOUTS}')
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


def _check_labels(folder: Folder) -> None:
    if not folder.has_semantic and not folder.has_masks:
        raise UserError(f'{folder.path}: segmentation needs a "segmentation" for every annotation, or semantic/')
    if folder.has_semantic:
        for image in (*folder.train['images'], *folder.val['images']):
            _check_semantic(folder.path, image, len(folder.classes))


def _check_semantic(path: Path, image: Content, num_classes: int) -> None:
    file = semantic_file(path, image['file_name'])
    label = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.is_file() else None
    if label is None or label.shape != (image['height'], image['width']):
        size = f'{image["width"]} x {image["height"]}'
        raise UserError(f'{file}: not a grey image of {size} pixels; semantic/ must label every image or be left out')
    if label.max() > num_classes:
        raise UserError(
            f'{file}: holds the label {label.max()}, but there are {num_classes} classes; '
            '0 must be background and i the i-th category'
        )


def semantic_file(path: Path, name: str) -> Path:
    """The label image in semantic/, of the name that the image has below the folder or its images/."""
    return (path / 'semantic' / name.removeprefix('images/')).with_suffix('.png')
