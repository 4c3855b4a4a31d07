"""Reader of COCO's panoptic format: a PNG for each image, whose colors are the numbers of its segments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..annotations import Report
from ..errors import UserError
from .content import Annotations
from .format import Files, Format, Parts, head
from .images import find_image
from .labels import read_colors
from .masks import encode
from .reading import Builder, checked
from .texts import read_json

__all__ = ['PANOPTIC']


def _find(files: Files) -> list[Path]:
    return [file for file in files.of('.json') if '"segments_info"' in head(file) or file.name.startswith('panoptic')]


def _build(path: Path, files: Sequence[Path], report: Report, things: bool) -> Builder:
    """Read all segments, or those of countable things alone."""
    contents = {file: _load(file) for file in files}
    for content in contents.values():
        for one in content['categories']:
            one['left_out'] = things and not one.get('isthing', 1)
    first = contents[files[0]]
    names = [str(one.get('name')) for one in first['categories'] if not one['left_out']]
    built = Builder(path, files[0], report, names)
    for file, content in contents.items():
        part = 'val' if 'val' in file.name else 'train' if 'train' in file.name else None
        with report.collecting(path, 'file'):
            _read_file(built, file, content, part)
    return built


def _load(file: Path) -> dict[str, Any]:
    content = read_json(file)
    for key in ('images', 'annotations', 'categories'):
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not entries or not all(isinstance(one, dict) for one in entries):
            raise UserError(f'{file}: "{key}" is no list of entries; see the format at cocodataset.org')
    assert isinstance(content, dict)
    return content


def _read_file(built: Builder, file: Path, content: dict[str, Any], part: str | None) -> None:
    categories = {one.get('id'): one for one in content['categories']}
    images = {one.get('id'): one for one in content['images']}
    folders = [built.path / 'images', *([built.path / part, built.path / f'{part}2017'] if part else [])]
    for i, one in enumerate(content['annotations'], 1):
        with built.report.collecting(built.path, 'panoptic'):
            where = f'{file}: annotation {i}'
            image = images.get(one.get('image_id'))
            if image is None or not isinstance(image.get('file_name'), str):
                raise UserError(
                    f'{where} has image_id {one.get("image_id")!r}, which the file does not list; correct it'
                )
            size = [image[key] for key in ('width', 'height')] if {'width', 'height'} <= image.keys() else None
            name = find_image(built.path, file, image['file_name'], folders)
            number = built.image(name, where, size, part=part)
            colors = read_colors(_png(file, str(one.get('file_name'))))
            # COCO counts with red as the lowest byte.
            ids = (colors >> 16) | (colors & 0xFF00) | ((colors & 0xFF) << 16)
            for segment in one.get('segments_info') or ():
                category = categories.get(segment.get('category_id'))
                if category is None:
                    raise UserError(f'{where} has category_id {segment.get("category_id")!r}, which is not listed')
                if category['left_out']:
                    continue
                mask = ids == segment.get('id')
                if not mask.any():
                    raise UserError(f'{where}: the segment {segment.get("id")} has no pixel in its PNG; correct it')
                ys, xs = np.flatnonzero(mask.any(1)).tolist(), np.flatnonzero(mask.any(0)).tolist()
                box = [xs[0], ys[0], xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1]
                built.add(
                    number, str(category['name']), where, box=box, mask=encode(mask), crowd=bool(segment.get('iscrowd'))
                )


def _png(file: Path, name: str) -> Path:
    """The PNG of an annotation: in the folder of the JSON file's name, beside it, or in panoptic/."""
    folders = (file.with_suffix(''), file.parent, file.parent / 'panoptic', file.parent.parent / 'panoptic')
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f'{folders[0] / name} does not exist, but {file.name} lists it; add it')


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report, annotations == 'boxes'), annotations)


PANOPTIC = Format(
    name='coco-panoptic',
    title='COCO panoptic',
    holds=frozenset({'boxes', 'regions'}),
    find=_find,
    kinds=lambda path, files: ['boxes', 'regions'],
    read=_read,
    yields=('coco',),
)
