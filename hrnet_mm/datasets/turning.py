"""Labels of images as they are stored, turned as the EXIF orientation turns the images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..annotations import Header, read_headers
from ..images import upright
from .content import Content
from .masks import encode, pixels

__all__ = ['is_before_turn', 'turned', 'upright_labels']


def turned(one: Content, header: Header) -> Content:
    """Turn an object of an image whose orientation exchanges its sides.

    Args:
        one: The object, with places in the image as it is stored; the edges of the first pixel are 0 and 1 for boxes
            and outlines, and its center is 0 for keypoints.
        header: The head of the image.
    """
    changed: dict[str, Any] = {}
    if box := one.get('bbox'):
        x, y, width, height = box
        (left, top), (right, bottom) = (_place(*corner, header, 0) for corner in ((x, y), (x + width, y + height)))
        changed['bbox'] = [min(left, right), min(top, bottom), height, width]
    if points := one.get('keypoints'):
        changed['keypoints'] = [
            value
            for x, y, seen in zip(points[::3], points[1::3], points[2::3], strict=True)
            for value in (*(_place(x, y, header, 1) if seen else (x, y)), seen)
        ]
    if mask := one.get('segmentation'):
        changed['segmentation'] = (
            encode(upright(pixels(mask, header.stored[::-1]), header.orientation))
            if isinstance(mask, Mapping)
            else [_outline(outline, header) for outline in mask]
        )
    return {**one, **changed}


def is_before_turn(file: Path, image: Content) -> bool:
    """Whether a label image has the sides of its image exchanged."""
    (header,) = read_headers([file])
    return not isinstance(header, str) and _is_exchanged(header.stored[::-1], image)


def upright_labels(labels: Any, file: Path, image: Content) -> Any:
    """Turn the labels `(H, W)` of an image as it is stored; others are returned as they are.

    Args:
        labels: The labels.
        file: The image.
        image: Its entry, with its size after the turn.
    """
    if not _is_exchanged(labels.shape, image):
        return labels
    (header,) = read_headers([file])
    return labels if isinstance(header, str) else np.ascontiguousarray(upright(labels, header.orientation))


def _is_exchanged(shape: Sequence[int], image: Content) -> bool:
    size = image['height'], image['width']
    return tuple(shape) != size and tuple(shape) == size[::-1]


def _place(x: float, y: float, header: Header, pixel: int) -> tuple[float, float]:
    x, y = y, x
    if header.orientation in (6, 7):
        x = header.width - pixel - x
    if header.orientation in (7, 8):
        y = header.height - pixel - y
    return x, y


def _outline(outline: Sequence[float], header: Header) -> list[float]:
    places = (_place(x, y, header, 0) for x, y in zip(outline[::2], outline[1::2], strict=True))
    return [value for place in places for value in place]
