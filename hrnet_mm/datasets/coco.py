"""Reader of COCO files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import UserError
from .content import FORMATS, Content

_OTHER = ('panoptic', 'captions', 'stuff', 'image_info', 'test')  # in names of files with other annotations


def find_coco(path: Path, kind: str) -> dict[str, Path]:
    """Find the files of the parts 'train' and 'val', or one file as 'train'; none where there is no .json file.

    Args:
        path: The folder.
        kind: 'keypoints' or 'instances'; of several files for a part, the one with it in its name is taken.

    Raises:
        UserError: Several files could be the annotations of a part.
    """
    patterns = ('*.json', 'annotations/*.json', 'train/*.json', 'val/*.json', 'valid/*.json')
    names = [file.relative_to(path).as_posix() for pattern in patterns for file in sorted(path.glob(pattern))]
    names = [name for name in names if not any(other in name for other in _OTHER)]
    train, val = ([name for name in names if part in name] for part in ('train', 'val'))
    if not train and not val:
        train = names
    found = {}
    for part, candidates in (('train', train), ('val', val)):
        fitting = [name for name in candidates if kind in name] if len(candidates) > 1 else candidates
        if len(fitting) > 1 or (candidates and not fitting):
            raise UserError(
                f'{path}: {", ".join(candidates)} could all be the annotations; keep one, or call it {part}.json'
            )
        if fitting:
            found[part] = path / fitting[0]
    if val and not train:
        raise UserError(f'{path / "train.json"} does not exist; {FORMATS}')
    return found


def read_coco(path: Path, file: Path, part: str) -> Content:
    """Read and check a COCO file; images get a `file_name` below `path`, and `width` and `height`.

    Raises:
        UserError: The file is not COCO's, or an image is missing.
    """
    try:
        coco: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise UserError(f'{file} is not JSON ({error}); {FORMATS}') from error
    for key in ('images', 'annotations', 'categories'):
        if not isinstance(coco, dict) or not coco.get(key):
            raise UserError(f'{file}: "{key}" is missing or empty; {FORMATS}')
    for key, name in (('images', 'file_name'), ('categories', 'name')):
        for one in coco[key]:
            if 'id' not in one or name not in one:
                raise UserError(f'{file}: an entry of "{key}" has no "id" or no "{name}": {one}')
    _check_annotations(file, coco)
    images = [{**image, 'file_name': _find_image(path, file, part, image['file_name'])} for image in coco['images']]
    return {
        'images': [with_size(path, image) for image in images],
        'annotations': coco['annotations'],
        'categories': sorted(coco['categories'], key=lambda category: category['id']),
    }


def with_size(path: Path, image: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of an image with `width` and `height`, read from the file where they are missing.

    Raises:
        UserError: The file is not an image.
    """
    if 'width' in image and 'height' in image:
        return dict(image)
    try:
        with Image.open(path / image['file_name']) as opened:  # reads the head of the file only
            return {**image, 'width': opened.width, 'height': opened.height}
    except OSError as error:
        raise UserError(f'{path / image["file_name"]} is not an image ({error})') from error


def _check_annotations(file: Path, coco: Mapping[str, Any]) -> None:
    image_ids = {image['id'] for image in coco['images']}
    category_ids = {category['id'] for category in coco['categories']}
    for annotation in coco['annotations']:
        for key, allowed in (('image_id', image_ids), ('category_id', category_ids)):
            if annotation.get(key) not in allowed:
                where = f'{file}: annotation {annotation.get("id")}'
                raise UserError(f'{where} has {key} {annotation.get(key)}, which the file does not list')


def _find_image(path: Path, file: Path, part: str, name: str) -> str:
    """The path of an image below `path`."""
    year = f'{part}2017'
    folders = (
        path / 'images',
        path,
        file.parent,
        *(base / one for base in (path, path / 'images') for one in (part, year)),
    )
    for folder in folders:
        if (folder / name).is_file():
            return (folder / name).relative_to(path).as_posix()
    raise UserError(f'{folders[0] / name} does not exist, but {file.name} lists it')
