"""Keypoints: their names, boxes around them, and their partners in a mirror image."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from .content import Content, Points

_MARGIN = 0.25  # of a box around points, at each side, as a share of its longer side
_SIDES = {'left': 'right', 'right': 'left', 'l': 'r', 'r': 'l'}
# left and right anywhere; l and r between other letters' ends (l_ear, ear.L, earL, LEar).
_SIDE = re.compile(
    r'(?i:left|right)|(?<![A-Za-z])[lr](?![A-Za-z])|(?<![A-Za-z])[LR](?![a-z])|(?<=[a-z])[LR](?![A-Za-z])'
)


def read_points(file: Path, content: Content) -> Points:
    """Read the keypoints of the only category that has them; those of two categories may be equal.

    Raises:
        UserError: There are none, or categories differ in them.
    """
    categories = [category for category in content['categories'] if category.get('keypoints')]
    if not categories:
        raise UserError(f'{file}: no category has "keypoints"; expected the list of their names')
    names = tuple(categories[0]['keypoints'])
    if any(tuple(category['keypoints']) != names for category in categories):
        raise UserError(f'{file}: categories have different "keypoints"; one network learns one list of them')
    skeleton = categories[0].get('skeleton') or []
    if not isinstance(skeleton, list) or not all(_is_link(link, len(names)) for link in skeleton):
        raise UserError(f'{file}: "skeleton" must hold pairs of numbers from 1 to {len(names)}, got {skeleton}')
    flips = categories[0].get('flip_indices') or []
    if flips and (not isinstance(flips, list) or sorted(map(str, flips)) != sorted(map(str, range(len(names))))):
        raise UserError(f'{file}: "flip_indices" must hold each number from 0 to {len(names) - 1} once, got {flips}')
    return Points(names, tuple((start - 1, end - 1) for start, end in skeleton), tuple(flips))


def _is_link(link: Any, count: int) -> bool:
    return isinstance(link, list) and len(link) == 2 and all(type(end) is int and 0 < end <= count for end in link)


def with_points(content: Content, points: Points, file: Path) -> Content:
    """Remove annotations without labeled points, and add the boxes that are missing.

    Raises:
        UserError: None has labeled points.
    """
    annotations = []
    for one in content['annotations']:
        values = one.get('keypoints') or []
        count = sum(visible > 0 for visible in values[2::3])
        if not count or one.get('iscrowd'):
            continue
        box = one.get('bbox') or box_around(values)
        annotations.append({'iscrowd': 0, **one, 'area': box[2] * box[3], 'bbox': box, 'num_keypoints': count})
    if not annotations:
        raise UserError(f'{file}: no annotation has labeled "keypoints" (visibility 1 or 2)')
    return {**content, 'annotations': annotations}


def mirrored(names: Sequence[str]) -> dict[str, str] | None:
    """The partner of each point in a mirror image, by left and right in their names.

    None if no name has a side, or a partner is missing: such images must not be mirrored.

    Examples:
        >>> mirrored(['left_ear', 'right_ear', 'tail'])
        {'left_ear': 'right_ear', 'right_ear': 'left_ear', 'tail': 'tail'}
    """
    other = {name: _SIDE.sub(_other_side, name) for name in names}
    if all(name == swapped for name, swapped in other.items()) or not set(other.values()) <= set(names):
        return None
    return other


def partners(points: Points) -> dict[str, str] | None:
    """The partner of each point in a mirror image, as the labels say it or else as the names do; None as `mirrored`."""
    if points.flips:
        return {name: points.names[other] for name, other in zip(points.names, points.flips, strict=True)}
    return mirrored(points.names)


def _other_side(match: re.Match[str]) -> str:
    side = match[0]
    other = _SIDES[side.lower()]
    if side.isupper():
        return other.upper()
    return other.capitalize() if side[0].isupper() else other


def box_around(values: Sequence[float]) -> list[float]:
    """The box around labeled keypoints, x, y and visibility in turn, with a margin."""
    xs, ys = ([v for v, visible in zip(values[i::3], values[2::3], strict=True) if visible > 0] for i in (0, 1))
    left, top, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    margin = max(_MARGIN * max(width, height), 8.0)  # a single point has a box of 16 pixels
    return [left - margin, top - margin, width + 2 * margin, height + 2 * margin]
