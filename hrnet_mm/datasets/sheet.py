"""Contact sheets of images with their labels drawn."""

import colorsys
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import UserError
from .content import Content, read_image
from .format import Parts
from .labels import UNLABELED, label_array
from .masks import pixels
from .writing import objects_of

__all__ = ['draw_sheet', 'draw_tile', 'write_sheet']

_Color = tuple[int, int, int]

_SIDE = 420  # of an image on the sheet, in pixels
_TITLE = 22
_GAP = 8
_MOST_NAMED_POINTS = 20  # more of them would cover the object with their names


def draw_sheet(path: Path, parts: Parts, file: Path, count: int) -> int:
    """Draw images at equal distances in the order of the labels, those of both parts, and write them as one picture.

    Args:
        path: The folder.
        parts: Its content.
        file: The picture.
        count: The largest number of images.

    Returns:
        The number of images on the sheet.
    """
    every = list(objects_of(parts))
    chosen = every[:: max(1, math.ceil(len(every) / count))][:count]
    write_sheet(file, [_draw(path, part, image, objects, parts[part]) for part, image, objects in chosen])
    return len(chosen)


def write_sheet(file: Path, tiles: Sequence[Image.Image]) -> None:
    """Write tiles in rows and columns as one picture.

    Raises:
        UserError: The file cannot be written.
    """
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) + _GAP for row in rows]
    sheet = Image.new('RGB', (columns * (_SIDE + _GAP) + _GAP, sum(heights) + _GAP), 'white')
    for i, row in enumerate(rows):
        for k, tile in enumerate(row):
            sheet.paste(tile, (_GAP + k * (_SIDE + _GAP), _GAP + sum(heights[:i])))
    content = io.BytesIO()
    sheet.save(content, {'.jpg': 'JPEG', '.jpeg': 'JPEG', '.webp': 'WEBP'}.get(file.suffix.lower(), 'PNG'))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.getvalue())
    except OSError as error:
        raise UserError(f'{file} could not be written ({error.strerror}); give another place') from error


def _color(i: int) -> _Color:
    red, green, blue = colorsys.hsv_to_rgb(i * 0.618 % 1, 0.85, 1)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw(path: Path, part: str, image: Content, objects: Sequence[Content], content: Content) -> Image.Image:
    """An image with its name above and its labels in it."""
    names = {one['id']: str(one['name']) for one in content['categories']}
    tag = f': {names[image["category_id"]]}' if 'category_id' in image else ''
    labels = label_array(path, content, image) if 'label_image' in image else None
    photo = read_image(path / image['file_name'])
    return draw_tile(f'{part}: {image["file_name"]}{tag}', photo, objects, content['categories'], labels)


def draw_tile(
    title: str, photo: Any, objects: Sequence[Content], categories: Sequence[Content], labels: Any = None
) -> Image.Image:
    """Draw an image with a title above and its labels in it.

    Args:
        title: The title.
        photo: `(H, W, 3)` in B, G, R.
        objects: Objects in COCO's words.
        categories: Their categories.
        labels: The labels of the pixels, `(H, W)`: the number of a category, 0 for background.
    """
    colors = {one['id']: _color(i) for i, one in enumerate(categories)}
    names = {one['id']: str(one['name']) for one in categories}
    photo = photo[..., ::-1]
    for one in objects:
        if one.get('segmentation'):
            photo = _painted(photo, pixels(one['segmentation'], photo.shape[:2]), colors[one['category_id']])
    if labels is not None:
        for number, color in colors.items():
            photo = _painted(photo, labels == number, color)
        photo = _painted(photo, labels == UNLABELED, (128, 128, 128))
    scale = _SIDE / max(photo.shape[:2])
    shape = max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale))
    tile = Image.new('RGB', (_SIDE, shape[1] + _TITLE), 'white')
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    tile.paste(Image.fromarray(cv2.resize(np.ascontiguousarray(photo), shape, interpolation=method)), (0, _TITLE))
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(13)
    draw.text((2, 2), _fitting(title, font), 'black', font)
    for one in objects:
        _draw_object(draw, one, categories, colors[one['category_id']], names[one['category_id']], scale)
    if labels is not None:
        shown = [number for number in colors if (labels == number).any()]
        for i, number in enumerate(shown[:12]):
            _write(draw, (4, _TITLE + 4 + 16 * i), names[number], colors[number])
    return tile


def _draw_object(
    draw: Any, one: Content, categories: Sequence[Content], color: _Color, name: str, scale: float
) -> None:
    """Draw box, lines and keypoints of an object."""
    if box := one.get('bbox'):
        x, y, w, h = (value * scale for value in box)
        draw.rectangle((x, y + _TITLE, x + w, y + h + _TITLE), outline=color, width=2)
        _write(draw, (x + 2, y + _TITLE + 1), name + (' (crowd)' if one.get('iscrowd') else ''), color)
    points = one.get('keypoints') or []
    if not points:
        return
    category = next(category for category in categories if category['id'] == one['category_id'])
    places = [(x * scale, y * scale + _TITLE) for x, y in zip(points[::3], points[1::3], strict=True)]
    for start, end in category.get('skeleton') or ():
        if points[3 * start - 1] and points[3 * end - 1]:
            draw.line((*places[start - 1], *places[end - 1]), fill='white', width=2)
    for i, (x, y) in enumerate(places):
        if visible := points[3 * i + 2]:
            fill = _color(i) if visible == 2 else None
            radius = 4 if len(places) <= _MOST_NAMED_POINTS else 2
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=_color(i))
            if len(places) <= _MOST_NAMED_POINTS:
                _write(draw, (x + 5, y - 7), category['keypoints'][i], _color(i))


def _painted(photo: Any, mask: Any, color: _Color) -> Any:
    painted = photo.copy()
    painted[mask] = (0.5 * photo[mask] + 0.5 * np.array(color)).astype(np.uint8)
    return painted


def _write(draw: Any, place: tuple[float, float], text: str, color: _Color) -> None:
    draw.text(place, text, color, ImageFont.load_default(12), stroke_width=2, stroke_fill='black')


def _fitting(text: str, font: Any) -> str:
    """The text without its middle, where it is too long for a tile."""
    while font.getlength(text) > _SIDE - 4:
        middle = len(text) // 2
        text = text[: middle - 3] + '...' + text[middle + 3 :].removeprefix('..')
    return text
