"""Prediction on large images by windows that overlap: classes of pixels without seams, and objects that are found once.

A window decides on its core alone and sees `overlap` more pixels on each side. Classes of pixels depend on the grid of
the whole image, whatever the windows: they begin at multiples of the coarsest stride, and images are resized by the
places that the pixels have in the whole image. Two tilings then differ only by what the network sees farther away than
the overlap.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import UserError

__all__ = ['OVERLAP', 'STRIDE', 'WINDOW', 'Found', 'Span', 'merge_objects', 'objects', 'segment', 'spans', 'tiling']

Array = npt.NDArray[Any]
Read = Callable[[slice, slice], Array]
"""From a slice of rows and one of columns, the pixels `(h, w, bands)` of an image."""

STRIDE = 32
"""The stride of HRNet's coarsest maps."""
WINDOW = 1280
OVERLAP = 256
"""Above what is seen by networks with random weights; of trained ones, 96 pixels leave 0.006 % of the labels open."""

_SAME = 0.5  # IoU of two boxes of one object; share of a part that lies in the whole object
_AT_EDGE = 4.0  # pixels of the network's input within which a box ends at the edge of its window


class Span(NamedTuple):
    """The part of an axis that a window decides on, and the larger part that it sees."""

    core: slice
    field: slice


def spans(size: int, window: int, overlap: int) -> list[Span]:
    """Divide an axis into the cores of windows.

    Args:
        size: The length of the axis.
        window: The length of a window.
        overlap: What a window sees before and after its core; none at the ends of the axis.

    Examples:
        >>> [(one.core.stop, one.field.start, one.field.stop) for one in spans(256, 128, 32)]
        [(96, 0, 128), (160, 64, 192), (256, 128, 256)]
    """
    stops = [*range(window - overlap, size - overlap, window - 2 * overlap), size]
    starts = [0, *stops[:-1]]
    return [
        Span(slice(start, stop), slice(max(start - overlap, 0), min(stop + overlap, size)))
        for start, stop in zip(starts, stops, strict=True)
    ]


def tiling(window: int | None, overlap: int | None) -> tuple[int, int]:
    """Return the side and the overlap of windows in pixels of the network's input, multiples of the coarsest stride.

    Raises:
        UserError: No core is left between the overlaps.
    """
    window = WINDOW if window is None else window
    overlap = min(OVERLAP, window // 4) if overlap is None else overlap
    sides = math.ceil(window / STRIDE) * STRIDE, math.ceil(overlap / STRIDE) * STRIDE
    if overlap < 0 or sides[0] <= 2 * sides[1]:
        raise UserError(
            f'--window {window} --overlap {overlap}: expected a window of more than two overlaps, in multiples of '
            f'{STRIDE} pixels, such as --window {WINDOW} --overlap {OVERLAP}'
        )
    return sides


def segment(
    read: Read,
    network: Callable[[Array], Array],
    size: tuple[int, int],
    factor: float,
    window: int,
    overlap: int,
    each: Callable[[list[Any]], Iterable[Any]] = iter,
) -> Iterator[Array]:
    """Classify the pixels of an image by windows.

    Args:
        read: Reads the image.
        network: From pixels `(h, w, bands)`, the scores of the classes `(classes, h, w)`.
        size: Height and width of the image.
        factor: By which images are resized for the network.
        window: The side of a window in pixels of the network's input, a multiple of `STRIDE`.
        overlap: What a window sees around its core, likewise.
        each: Wraps the windows, to say how many are done.

    Yields:
        The labels `(h, width)` of one row of windows after the other; the label of a single class is that of the
        scores above 0.
    """
    axes = [_Axis(side, factor, window, overlap) for side in size]
    todo = iter(each([(y, x) for y in axes[0].spans for x in axes[1].spans]))
    for y in axes[0].spans:
        rows = axes[0].pixels(y.core)
        labels = np.zeros((rows.stop - rows.start, size[1]), np.int16)
        for x in axes[1].spans:
            next(todo)
            columns = axes[1].pixels(x.core)
            (top, down), (left, right) = (axis.sources(one.field) for axis, one in zip(axes, (y, x), strict=True))
            pixels = _resampled(read(top, left), down, right)
            scores = network(pixels)
            at = [axis.places(one, span.field) for axis, one, span in zip(axes, (rows, columns), (y, x), strict=True)]
            labels[:, columns] = _labels(_linear(_linear(scores, 1, at[0]), 2, at[1]))
        yield labels
    next(todo, None)


def _labels(scores: Array) -> Array:
    labels: Array = scores.argmax(0) if len(scores) > 1 else scores[0] > 0
    return labels


class _Axis:
    """The rows or columns of an image, and of the image that is resized by a factor and continued to whole strides."""

    def __init__(self, size: int, factor: float, window: int, overlap: int) -> None:
        self._size = size
        self._resized = max(int(size * factor + 0.5), 1)  # as mmcv rounds
        self._factor = self._resized / size
        self.spans = spans(math.ceil(self._resized / STRIDE) * STRIDE, window, overlap)

    def pixels(self, core: slice) -> slice:
        """The pixels of the image whose centers lie in a part of the resized one."""
        first, last = (math.ceil(end / self._factor - 0.5) for end in (core.start, core.stop))
        is_last = core.stop >= self._resized
        return slice(min(first, self._size), self._size if is_last else min(last, self._size))

    def sources(self, field: slice) -> tuple[slice, Array]:
        """The pixels that a part of the resized image is made of, and the places of its pixels among them."""
        # Beyond the end the last pixel is repeated.
        at = (np.minimum(np.arange(field.start, field.stop), self._resized - 1) + 0.5) / self._factor - 0.5
        at = at.clip(0, self._size - 1)
        needed = slice(int(at[0]), min(int(at[-1]) + 2, self._size))
        return needed, at - needed.start

    def places(self, pixels: slice, field: slice) -> Array:
        """The places of pixels of the image in a part of the resized one."""
        at = (np.arange(pixels.start, pixels.stop) + 0.5) * self._factor - 0.5
        places: Array = at.clip(0, self._resized - 1) - field.start
        return places


def _resampled(pixels: Array, rows: Array, columns: Array) -> Array:
    """Interpolate an image at the crossings of rows and columns; whole numbers stay whole, as OpenCV leaves them."""
    values = _linear(_linear(pixels, 0, rows), 1, columns)
    return values if pixels.dtype.kind == 'f' else np.rint(values)


def _linear(values: Array, axis: int, at: Array) -> Array:
    values = values if values.dtype.kind == 'f' else values.astype(np.float32)
    low = np.floor(at).astype(int).clip(0, values.shape[axis] - 1)
    weight = (at - low).astype(values.dtype)
    first = values if np.array_equal(low, np.arange(values.shape[axis])) else values.take(low, axis)
    if not weight.any():
        return first
    weight = weight.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    second = values.take((low + 1).clip(max=values.shape[axis] - 1), axis)
    mixed: Array = first + weight * (second - first)
    return mixed


@dataclass
class Found:
    """Objects that were found in windows.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels of the image, `(n, 4)`.
        scores: `(n,)`.
        labels: Class indices, `(n,)`.
        windows: The number of the window that each is from, `(n,)`.
        is_cut: Whether each ends at the edge of its window within the image, `(n,)`.
        masks: For each the first row and column of a part of the image, and the mask of the part; None without masks.
    """

    boxes: Array
    scores: Array
    labels: Array
    windows: Array
    is_cut: Array
    masks: list[tuple[int, int, Array]] | None = None


def objects(
    read: Read,
    network: Callable[[Array], tuple[Array, Array, Array, Array | None]],
    size: tuple[int, int],
    factor: float,
    window: int,
    overlap: int,
    each: Callable[[list[Any]], Iterable[Any]] = iter,
) -> Found:
    """Find the objects of an image by windows, each object once.

    Args:
        read: Reads the image.
        network: From pixels `(h, w, bands)`, boxes `(n, 4)`, scores `(n,)`, class indices `(n,)` and masks `(n, h, w)`.
        size: Height and width of the image.
        factor: By which the network resizes images.
        window: The side of a window in pixels of the network's input.
        overlap: Of windows beside one another, twice; objects up to this size are seen whole.
        each: Wraps the windows, to say how many are done.

    Returns:
        The objects, those of the highest score first; see `merge_objects`.
    """
    sides = [math.ceil(round(side / factor / STRIDE, 6)) * STRIDE for side in (window, overlap)]
    all_spans = [spans(side, *sides) for side in size]
    masks: list[tuple[int, int, Array]] | None = []
    parts = []
    for number, (y, x) in enumerate(each([(y, x) for y in all_spans[0] for x in all_spans[1]])):
        boxes, scores, labels, drawn = network(read(y.field, x.field))
        ends = np.array([x.field.start, y.field.start, x.field.stop, y.field.stop])
        inner = ends != [0, 0, size[1], size[0]]
        boxes = boxes.reshape(-1, 4) + ends[[0, 1, 0, 1]]
        is_cut = ((abs(boxes - ends) < _AT_EDGE / factor) & inner).any(1)
        parts.append((boxes, scores, labels, np.full(len(boxes), number), is_cut))
        if drawn is None:
            masks = None
        elif masks is not None:
            masks += [_cropped(mask, y.field.start, x.field.start) for mask in drawn]
    boxes, scores, labels, windows, is_cut = map(np.concatenate, zip(*parts, strict=True))
    return merge_objects(Found(boxes, scores, labels, windows, is_cut, masks))


def _cropped(mask: Array, top: int, left: int) -> tuple[int, int, Array]:
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return top, left, np.zeros((0, 0), bool)
    return top + int(ys[0]), left + int(xs[0]), mask[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1].copy()


def merge_objects(found: Found) -> Found:
    """Keep each object once that several windows found.

    Of two boxes of one class and of different windows that overlap by an IoU above 0.5, the one of the higher score
    stays. A box that ends at the edge of its window is a part of an object: it comes after all whole ones, and goes
    where half of it lies in a whole one. Boxes of one window are left as the network returned them.

    Returns:
        The objects that stay, those of the highest score first.
    """
    order = np.lexsort((-found.scores, found.is_cut))
    boxes, labels = found.boxes[order], found.labels[order]
    windows, is_cut = found.windows[order], found.is_cut[order]
    areas = _areas(boxes)
    kept = np.zeros(len(order), bool)
    for i in range(len(order)):
        rivals = np.flatnonzero(kept[:i] & (labels[:i] == labels[i]) & (windows[:i] != windows[i]))
        corners = np.maximum(boxes[rivals, :2], boxes[i, :2]), np.minimum(boxes[rivals, 2:], boxes[i, 2:])
        shared = _areas(np.concatenate(corners, axis=1))
        covered = shared > _SAME * (areas[rivals] + areas[i] - shared)
        if is_cut[i]:
            covered |= ~is_cut[rivals] & (shared > _SAME * areas[i])
        kept[i] = not covered.any()
    stay = order[kept]
    stay = stay[np.argsort(-found.scores[stay], kind='stable')]
    masks = None if found.masks is None else [found.masks[i] for i in stay.tolist()]
    return Found(
        found.boxes[stay], found.scores[stay], found.labels[stay], found.windows[stay], found.is_cut[stay], masks
    )


def _areas(boxes: Array) -> Array:
    areas: Array = (boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(1)
    return areas


def run_lengths_of(part: tuple[int, int, Array], size: Sequence[int]) -> list[int]:
    """The run lengths, column by column, of an image whose part has a mask; only the part's columns are made.

    Args:
        part: First row and column of the part, and its mask.
        size: Height and width of the image.
    """
    top, left, mask = part
    height, width = size
    columns = np.zeros((mask.shape[1], height), bool)
    columns[:, top : top + mask.shape[0]] = mask.T
    flat = np.concatenate([[False], columns.ravel(), [False]])
    edges = np.flatnonzero(np.diff(flat)) + left * height
    counts: list[int] = np.diff(edges, prepend=0, append=height * width).tolist()
    return counts
