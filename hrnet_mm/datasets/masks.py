"""Masks of objects: run lengths as in COCO, polygons, their areas and their pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..annotations import run_lengths
from .content import Content

__all__ = ['area', 'draw_masks', 'encode', 'extent', 'outlines', 'pixels', 'round_outline']

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

    drawn = coco_mask.merge(coco_mask.frPyObjects(shape, *size))
    return pixels({**drawn, 'counts': drawn['counts'].decode()}, size)


def area(shape: Any) -> float:
    """The area of polygons or run lengths in pixels."""
    if isinstance(shape, Mapping):
        return float(sum(run_lengths(shape)[1::2]))
    total = 0.0
    for outline in shape:
        x, y = np.array(outline[::2], float), np.array(outline[1::2], float)
        total += abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return total


def extent(shapes: Sequence[Sequence[float]]) -> list[float]:
    """The box, x, y, width and height, of polygons."""
    xs, ys = [x for one in shapes for x in one[::2]], [y for one in shapes for y in one[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


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


def outlines(mask: Any) -> list[list[float]]:
    """Polygons along the edges of the pixels of a mask `(H, W)`; a hole is part of the polygon around it.

    COCO's tools draw the same mask from them again, where no two pixels touch at a corner alone.

    Examples:
        >>> outlines(np.array([[0, 1], [0, 1]]))
        [[1.0, 0.0, 2.0, 0.0, 2.0, 2.0, 1.0, 2.0]]
    """
    mask = np.asarray(mask, bool)
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return []
    corner = np.array([xs[0] - 1, ys[0] - 1])
    inside = mask[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
    loops = [np.array(loop) for loop in _loops(np.pad(inside, 1))]
    outer = [loop for loop in loops if _signed_area(loop) > 0]
    for hole in (loop for loop in loops if _signed_area(loop) < 0):
        # The bridge goes straight to the left, to the nearest edge of a polygon that is open to the hole.
        x, y = hole[np.lexsort((hole[:, 1], hole[:, 0]))[0]]
        hole = np.roll(hole, -int(np.flatnonzero((hole == (x, y)).all(1))[0]), axis=0)
        best: tuple[int, int, int] | None = None
        for k, loop in enumerate(outer):
            after = np.roll(loop, -1, axis=0)
            low, high = np.minimum(loop[:, 1], after[:, 1]), np.maximum(loop[:, 1], after[:, 1])
            crossed = (loop[:, 0] == after[:, 0]) & (low <= y) & (y <= high) & (loop[:, 0] < x)
            for i in np.flatnonzero(crossed).tolist():
                if best is None or loop[i, 0] > best[2]:
                    best = k, i, int(loop[i, 0])
        assert best is not None
        k, i, left = best
        bridge = np.array([[left, y]])
        outer[k] = np.concatenate([outer[k][: i + 1], bridge, hole, hole[:1], bridge, outer[k][i + 1 :]])
    return [(loop + corner).astype(float).ravel().tolist() for loop in outer]


def _signed_area(loop: Any) -> float:
    x, y = loop.T.astype(float)
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def _loops(mask: Any) -> list[list[tuple[int, int]]]:
    """The corners of the closed lines around pixels, clockwise around pixels and counterclockwise around holes."""
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (dy, dx), (start, end) in {
        (-1, 0): ((0, 0), (1, 0)),
        (0, 1): ((1, 0), (1, 1)),
        (1, 0): ((1, 1), (0, 1)),
        (0, -1): ((0, 1), (0, 0)),
    }.items():
        for y, x in np.argwhere(mask & ~np.roll(mask, (-dy, -dx), (0, 1))).tolist():
            after.setdefault((x + start[0], y + start[1]), []).append((x + end[0], y + end[1]))
    loops = []
    while after:
        first = here = next(iter(after))
        step, loop = (0, 0), []
        while True:
            ends = after[here]
            # Where two pixels touch at a corner, each keeps to itself: the turn to the right.
            turn = next((end for end in ends if (end[0] - here[0], end[1] - here[1]) == (-step[1], step[0])), ends[0])
            ends.remove(turn)
            if not ends:
                del after[here]
            if (turn[0] - here[0], turn[1] - here[1]) != step:
                loop.append(here)
            step, here = (turn[0] - here[0], turn[1] - here[1]), turn
            if here == first:
                break
        loops.append(loop)
    return loops
