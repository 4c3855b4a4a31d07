"""Checks of what an annotation of COCO says of its object: box, mask and keypoints."""

from collections.abc import Iterator, Mapping, Sequence
from operator import mul
from typing import Any

from .values import are_numbers, by, short

__all__ = ['check_box', 'check_mask', 'check_points', 'run_lengths']

_FAR = 5.0
"""Pixels by which a box may differ from the mask or the points in it, however small they are."""


def check_box(box: Sequence[float], size: Any, lost: str) -> Iterator[tuple[str, str, str]]:
    """Yield level, kind and sentence of what is wrong with a box.

    Args:
        box: x, y, width and height.
        size: The image's; None if it is not known.
        lost: The level of what makes the object useless.
    """
    x, y, width, height = box
    if width < 1 or height < 1:
        yield lost, 'small', f'has a box {list(box)} of less than one pixel and is lost; correct or remove it'
        return
    if size is None:
        return
    inside_w, inside_h = min(x + width, size[0]) - max(x, 0), min(y + height, size[1]) - max(y, 0)
    if inside_w <= 0 or inside_h <= 0:
        yield (
            lost,
            'outside',
            f'has a box {list(box)} outside of its image of {by(size)} pixels and is lost; correct or remove it',
        )
    elif inside_w * inside_h < 0.5 * width * height:
        yield (
            'warning',
            'half outside',
            f'has a box {list(box)} that is mostly outside of its image of {by(size)} pixels; '
            'see whether it is [x, y, width, height] in pixels',
        )


def check_mask(one: Mapping[str, Any], size: Any, lost: str) -> Iterator[tuple[str, str, str]]:
    """Yield level, kind and sentence of what is wrong with the mask of an annotation.

    Args:
        one: The annotation, with a `segmentation`.
        size: The image's; None if it is not known.
        lost: The level of what makes the object useless.
    """
    shape = one['segmentation']
    if isinstance(shape, dict):
        yield from _run_lengths(shape, size)
        return
    outlines = shape if isinstance(shape, list) and all(isinstance(part, list) for part in shape) else None
    if outlines is None:
        yield (
            'error',
            'mask',
            f'has a "segmentation" {short(shape)}; expected a list of polygons [[x, y, ...], ...]',
        )
        return
    for outline in outlines:
        if len(outline) < 6 or len(outline) % 2 or not are_numbers(outline):
            yield (
                'error',
                'polygon',
                f'has a polygon of {len(outline)} values, {short(outline)}; expected x, y of three points or more',
            )
            return
    if not any(_encloses(outline) for outline in outlines):
        yield lost, 'flat', 'has polygons that enclose nothing, so its mask is empty; correct or remove it'
        return
    xs, ys = [x for part in outlines for x in part[::2]], [y for part in outlines for y in part[1::2]]
    edges = min(xs), min(ys), max(xs), max(ys)
    if size is not None and (edges[2] <= 0 or edges[3] <= 0 or edges[0] >= size[0] or edges[1] >= size[1]):
        yield lost, 'mask outside', f'has a mask outside of its image of {by(size)} pixels; correct or remove it'
    elif are_numbers(box := one.get('bbox'), 4) and _differs(box, edges):
        found = [
            round(edges[0], 1),
            round(edges[1], 1),
            round(edges[2] - edges[0], 1),
            round(edges[3] - edges[1], 1),
        ]
        yield 'warning', 'box of mask', f'has the box {box}, but its mask is in {found}; see which is right'


def check_points(
    one: Mapping[str, Any], names: Sequence[Any], size: Any, is_own: bool
) -> Iterator[tuple[str, str, str]]:
    """Yield level, kind and sentence of what is wrong with the keypoints of an annotation.

    Args:
        one: The annotation.
        names: The lists of keypoints that the values may be for.
        size: The image's; None if it is not known.
        is_own: Whether `hrnet_mm.datasets` reads the file.
    """
    values = one.get('keypoints')
    if not values and (values is None or isinstance(values, list)):
        if not one.get('iscrowd') and any(names):
            yield 'warning', 'no points', 'has no "keypoints" and is left out; add them, or remove it'
        return
    if not are_numbers(values):
        yield 'error', 'points', f'has "keypoints" {short(values)}; expected numbers: x, y and visibility of each'
        return
    expected = {3 * len(some) for some in names if isinstance(some, list | tuple)}
    if len(values) % 3 or (expected and len(values) not in expected):
        count = next(iter(expected)) // 3 if expected else None
        needed = (
            'x, y and visibility of each'
            if count is None
            else f'{count} keypoints need {3 * count}: x, y and visibility of each'
        )
        yield 'error', 'values', f'has {len(values)} values in "keypoints"; {needed}'
        return
    if not set(values[2::3]) <= {0, 1, 2}:
        wrong = next(value for value in values[2::3] if value not in (0, 1, 2))
        level = 'error' if is_own else 'warning'
        yield level, 'visibility', f'has a visibility {wrong} in "keypoints"; expected 0, 1 or 2 after each x and y'
        return
    seen = [(x, y) for x, y, visible in zip(values[::3], values[1::3], values[2::3], strict=True) if visible]
    if seen and not is_own and one.get('num_keypoints', 1) == 0:
        yield 'warning', 'num', f'has "num_keypoints" 0 and is left out, but {len(seen)} are labeled; correct it'
    if size is not None:
        out = sum(not (-1 <= x <= size[0] and -1 <= y <= size[1]) for x, y in seen)
        if out:
            yield (
                'warning',
                'point outside',
                f'has {out} labeled keypoint{"s"[: out != 1]} outside of its image of {by(size)} pixels; '
                'correct the place, or set visibility 0',
            )
    box = one.get('bbox')
    if seen and are_numbers(box, 4):
        margin = max(_FAR, 0.1 * max(box[2:]))
        inside = sum(
            box[0] - margin <= x <= box[0] + box[2] + margin and box[1] - margin <= y <= box[1] + box[3] + margin
            for x, y in seen
        )
        if not inside:
            yield (
                'warning',
                'box of points',
                f'has the box {box}, but none of its keypoints is in it; correct it',
            )


def run_lengths(shape: Mapping[str, Any]) -> list[int]:
    """The run lengths of a mask of COCO, from the list or the text of its `counts`."""
    counts: list[int] | str = shape['counts']
    return counts if isinstance(counts, list) else _decoded(counts)


def _run_lengths(shape: Mapping[str, Any], size: Any) -> Iterator[tuple[str, str, str]]:
    """Check COCO's run-length encoding; a text has the lengths in characters of six bits."""
    sides, counts = shape.get('size'), shape.get('counts')
    if not are_numbers(sides, 2) or not isinstance(counts, list | str) or (counts and not _are_lengths(counts)):
        yield (
            'error',
            'rle',
            f'has a "segmentation" {short(shape)}; expected {{"size": [height, width], "counts": ...}}',
        )
        return
    if size is not None and (sides[1], sides[0]) != size:
        yield 'error', 'rle', f'has a mask of {by((sides[1], sides[0]))} pixels in an image of {by(size)}; correct it'
        return
    total = sum(run_lengths(shape))
    if total != sides[0] * sides[1]:
        yield 'error', 'rle', f'has a mask with run lengths for {total} pixels, but size {sides}; encode it anew'


def _are_lengths(counts: Any) -> bool:
    if isinstance(counts, str):
        return all('0' <= character < 'p' for character in counts)
    return set(map(type, counts)) == {int} and min(counts) >= 0


def _decoded(text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def _differs(box: Sequence[float], edges: Sequence[float]) -> bool:
    """Whether an edge is further away than half the box's side."""
    x, y, width, height = box
    given = (x, y, x + width, y + height)
    return any(
        abs(mine - its) > max(_FAR, 0.5 * side)
        for mine, its, side in zip(given, edges, (width, height, width, height), strict=True)
    )


def _encloses(outline: Sequence[float]) -> bool:
    xs, ys = outline[::2], outline[1::2]
    doubled: float = sum(map(mul, xs, [*ys[1:], ys[0]])) - sum(map(mul, ys, [*xs[1:], xs[0]]))
    return abs(doubled) > 1e-6
