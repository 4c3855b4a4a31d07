"""Masks of objects: run lengths as in COCO, polygons, their areas and their pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..annotations import run_lengths
from .content import Content

__all__ = ['area', 'draw_masks', 'encode', 'pixels', 'round_outline']

_CORNERS = 64  # of a polygon in place of an ellipse


def encode(mask: Any) -> dict[str, Any]:
    """The run lengths of a mask `(H, W)`, column by column and those outside first, as COCO has them.

    Examples:
        >>> encode(np.array([[0, 1], [0, 1]]))
        {'size': [2, 2], 'counts': [2, 2]}
    """
    flat = np.asarray(mask, bool).ravel(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(edges, prepend=0, append=len(flat)).tolist()
    return {'size': list(np.shape(mask)), 'counts': [0, *counts] if len(flat) and flat[0] else counts}


def pixels(shape: Any, size: Sequence[int]) -> Any:
    """The mask `(H, W)` of polygons or run lengths.

    Args:
        shape: The `segmentation` of an annotation.
        size: Height and width of the image.
    """
    if isinstance(shape, Mapping):
        counts = run_lengths(shape)
        flat = np.repeat(np.arange(len(counts)) % 2 > 0, counts)
        return flat.reshape(shape['size'], order='F')
    from pycocotools import mask as coco_mask

    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(shape, *size))) > 0


def area(shape: Any) -> float:
    """The area of polygons or run lengths in pixels."""
    if isinstance(shape, Mapping):
        return float(sum(run_lengths(shape)[1::2]))
    total = 0.0
    for outline in shape:
        x, y = np.array(outline[::2], float), np.array(outline[1::2], float)
        total += abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return total


def draw_masks(content: Content, image: Content) -> Any:
    """The labels `(H, W)` of an image that its masks make, later ones above earlier ones: i for the i-th category."""
    label_of = {category['id']: label for label, category in enumerate(content['categories'], 1)}
    size = image['height'], image['width']
    label = np.zeros(size, np.uint8)
    for one in content['annotations']:
        if one['image_id'] == image['id'] and one.get('segmentation'):
            label[pixels(one['segmentation'], size)] = label_of[one['category_id']]
    return label


def round_outline(x: float, y: float, across: float, down: float) -> list[float]:
    """The polygon of 64 corners in place of an ellipse with its center and its two radii."""
    angles = np.arange(_CORNERS) * 2 * np.pi / _CORNERS
    corners = np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)
    return [float(value) for value in corners.ravel()]
