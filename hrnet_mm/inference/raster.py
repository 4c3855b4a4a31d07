"""Images that are read by windows, and label images that are written as they are made."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import UserError
from ..images import read_headers
from ..weights.io import written_aside
from .geo import DAMAGED, NODATA, GeoReference, georeference_of, is_tiff, tiff_library

__all__ = ['Raster', 'UnreadableError', 'open_raster', 'size_of', 'without_data', 'write_labels']

Array = npt.NDArray[Any]

_KEPT_BYTES = 32 << 20  # of decoded strips or tiles; more where a window needs them
_LARGE_BYTES = 512 << 20
_BUFFERED_BYTES = 4 << 20  # of tiles that wait to be compressed; by default 512 MB
_LARGEST_TIFF = (1 << 32) - (1 << 25)  # of the form with places of 32 bits; compressed data may be larger than plain
_TILE = 256
_NOT_PAGES = 0b101  # bits of the subfile type: a smaller copy, a mask
_GRAY, _RGB, _PALETTE, _YCBCR = 1, 2, 3, 6


class UnreadableError(UserError):
    """An image file that cannot be decoded; the message has the reason."""


@dataclass(frozen=True)
class Raster:
    """An image that is read by windows.

    Attributes:
        height: In pixels.
        width: In pixels.
        bands: The number of bands, in the order of the file: of colors R, G, B.
        dtype: The type of a value.
        has_alpha: Whether the last band is the opacity.
        geo: The georeference.
        read: From a slice of rows and a slice of columns, the pixels `(h, w, bands)`.
        note: What reading costs more than expected; may be empty.
    """

    height: int
    width: int
    bands: int
    dtype: np.dtype[Any]
    has_alpha: bool
    geo: GeoReference | None
    read: Callable[[slice, slice], Array]
    note: str = ''


def size_of(path: Path) -> tuple[int, int] | None:
    """Return the height and width of an image from the head of its file; None if it has none."""
    if is_tiff(path):
        try:
            with tiff_library().TiffFile(path) as file:
                page = file.pages[0]
                return page.imagelength, page.imagewidth
        except DAMAGED:
            return None
    (header,) = read_headers([path])
    return None if isinstance(header, str) else (header.height, header.width)


@contextmanager
def open_raster(path: Path) -> Iterator[Raster]:
    """Open an image to read windows of it.

    Of a TIFF file, only the strips or tiles of a window are decoded, or mapped into memory where they are not
    compressed. Other formats are decoded whole.

    Args:
        path: The image.

    Yields:
        The image.

    Raises:
        UnreadableError: The file cannot be decoded, or not by windows.
    """
    if not is_tiff(path):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise UnreadableError('the file is not an image that OpenCV reads, or is damaged')
        yield _of_array(np.asarray(image)[..., ::-1])
        return
    try:
        file = tiff_library().TiffFile(path)
    except DAMAGED as error:
        raise UnreadableError(f'the file is no TIFF, or is damaged ({error})') from error
    with file:
        yield _of_page(path, _only_page(file))


def without_data(parts: Iterable[Array], path: Path, geo: GeoReference | None) -> Iterator[Array]:
    """Set the labels of pixels without data to -1.

    Args:
        parts: Labels `(h, W)`, signed, of one part of the image after the other, from above.
        path: The image.
        geo: Its georeference, which has the value of pixels without data.

    Yields:
        The parts; a pixel is without data where all bands have the value.
    """
    if geo is None or geo.nodata is None:
        yield from parts
        return
    with open_raster(path) as raster:
        top = 0
        for labels in parts:
            for start in range(0, len(labels), _TILE):  # all bands of a whole part would need much memory
                some = labels[start : start + _TILE]
                pixels = raster.read(slice(top + start, top + start + len(some)), slice(0, raster.width))
                empty = np.isnan(pixels) if math.isnan(geo.nodata) else pixels == geo.nodata
                some[empty.all(axis=2)] = -1
            top += len(labels)
            yield labels


def write_labels(
    file: Path, parts: Iterable[Array], shape: tuple[int, int], classes: int, geo: GeoReference | None = None
) -> npt.NDArray[np.int64]:
    """Write class indices as a tiled TIFF file while they are made, with the place of the image.

    Args:
        file: The file.
        parts: Labels `(h, W)` of one part of the image after the other, from above; -1 where there are no data.
        shape: Height and width of the image.
        classes: The number of classes; up to 255 of them have 8 bits, and more 16. The greatest value is kept for
            pixels without data.
        geo: The georeference of the image.

    Returns:
        The number of pixels of each class.
    """
    dtype = np.dtype(np.uint8 if classes <= 255 else np.uint16)
    greatest = int(np.iinfo(dtype).max)
    tags = [(*tag, True) for tag in geo.tags] if geo is not None else []
    if geo is not None and geo.nodata is not None:
        tags.append((NODATA, 2, 0, str(greatest), True))
    counts = np.zeros(greatest + 1, np.int64)
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        written_aside(file) as aside,
        tiff_library().TiffWriter(aside, bigtiff=math.prod(shape) * dtype.itemsize > _LARGEST_TIFF) as writer,
    ):
        writer.write(
            _tiles(parts, dtype, counts),
            shape=shape,
            dtype=dtype,
            tile=(_TILE, _TILE),
            photometric='minisblack',
            compression='zlib',
            buffersize=_BUFFERED_BYTES,
            metadata=None,
            software=False,
            extratags=tags,
        )
    return counts[:classes]


def _tiles(parts: Iterable[Array], dtype: np.dtype[Any], counts: npt.NDArray[np.int64]) -> Iterator[Array]:
    """Cut parts of any height into tiles, row by row, and count the labels; -1 becomes the greatest value."""
    waiting: list[Array] = []
    height = 0
    for part in parts:
        waiting.append(part.astype(dtype))
        for row in waiting[-1]:  # at once they would be copied in 64 bits
            counts += np.bincount(row, minlength=len(counts))
        height += len(part)
        if height >= _TILE:
            rows = np.concatenate(waiting)
            whole = height // _TILE * _TILE
            for top in range(0, whole, _TILE):
                yield from _row_of_tiles(rows[top : top + _TILE])
            waiting, height = [rows[whole:]], height - whole
    if height:
        yield from _row_of_tiles(np.concatenate(waiting))


def _row_of_tiles(rows: Array) -> Iterator[Array]:
    for left in range(0, rows.shape[1], _TILE):
        tile = rows[:, left : left + _TILE]
        yield np.pad(tile, [(0, _TILE - side) for side in tile.shape])


def _of_array(image: Array) -> Raster:
    height, width, bands = image.shape
    return Raster(height, width, bands, image.dtype, False, None, lambda rows, columns: image[rows, columns])


def _only_page(file: Any) -> Any:
    pages = [page for page in file.pages if not int(page.subfiletype) & _NOT_PAGES]
    if len(pages) != 1:
        raise UnreadableError(f'the file holds {len(pages)} images; expected one in a file, so split it')
    return pages[0]


def _of_page(path: Path, page: Any) -> Raster:
    planes, depth, height, width, samples = page.shaped
    photometric = int(page.photometric)
    codecs = tiff_library().TIFF
    for kinds, key in ((codecs.DECOMPRESSORS, page.compression), (codecs.UNPREDICTORS, page.predictor)):
        try:
            _ = kinds[key]
        except KeyError as error:
            raise UnreadableError(f"{error.args[0]}: pip install 'hrnet_mm[tiff]'") from error
    if depth != 1 or photometric not in (_GRAY, _RGB, _PALETTE, _YCBCR) or page.tags.valueof(274, default=1) != 1:
        raise UnreadableError(
            f'{page.photometric.name}, {depth} layers, orientation {page.tags.valueof(274, default=1)}: not a TIFF '
            'that is read by windows; expected gray, RGB or a palette, one layer, upright'
        )
    segments = _Segments(page)
    read: Callable[[slice, slice], Array] = segments.read
    note = ''
    if page.is_memmappable:
        read = partial(_read_mapped, path, page)
    elif segments.bytes > _LARGE_BYTES:
        note = f'its strips of {segments.bytes >> 20} MB are decoded whole; tiles need less memory'
    bands, dtype = planes * samples, np.dtype(page.dtype)
    if photometric == _PALETTE:
        colors = (page.colormap.T >> 8).astype(np.uint8)  # (values, 3)
        indices = read
        read = lambda rows, columns: colors[indices(rows, columns)[..., 0]]  # noqa: E731
        bands, dtype = 3, np.dtype(np.uint8)
    has_alpha = any(int(extra) in (1, 2) for extra in page.extrasamples)
    return Raster(height, width, bands, dtype, has_alpha, georeference_of(page), read, note)


def _read_mapped(path: Path, page: Any, rows: slice, columns: slice) -> Array:
    # Mapped for each window alone: pages of the file that stay mapped count as memory of the process.
    kind = page.parent.byteorder + np.dtype(page.dtype).str[1:]
    mapped = np.memmap(path, kind, 'r', page.dataoffsets[0], page.shaped)
    return _bands_last(mapped[:, 0, rows, columns].astype(page.dtype))


def _bands_last(planes: Array) -> Array:
    """Make `(h, w, bands)` of `(planes, h, w, samples)`."""
    return np.moveaxis(planes, 0, 2).reshape(*planes.shape[1:3], -1)


def _covered(part: slice, side: int) -> range:
    """The strips or tiles of a side that a part of an axis lies in."""
    return range(part.start // side, math.ceil(part.stop / side))


class _Segments:
    """The strips or tiles of a page, of which the last ones stay decoded."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._height, self._width = (
            (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        )
        self._across, self._down = math.ceil(page.imagewidth / self._width), math.ceil(page.imagelength / self._height)
        self._height = min(self._height, page.imagelength)
        self._kept: OrderedDict[int, Array | None] = OrderedDict()
        self._needed = 1  # for the window that is being read: the next one beside it needs the same strips
        self.bytes = self._height * self._width * page.shaped[4] * page.dtype.itemsize

    def read(self, rows: slice, columns: slice) -> Array:
        planes, _, _, _, samples = self._page.shaped
        fill = self._page.nodata
        found = np.full((planes, rows.stop - rows.start, columns.stop - columns.start, samples), fill, self._page.dtype)
        places = list(product(range(planes), _covered(rows, self._height), _covered(columns, self._width)))
        self._needed = len(places)
        for plane, row, column in places:
            segment = self._segment((plane * self._down + row) * self._across + column)
            if segment is not None:  # a sparse file leaves out those without data
                top, left = row * self._height - rows.start, column * self._width - columns.start
                y, x = max(top, 0), max(left, 0)
                part = segment[y - top : found.shape[1] - top, x - left : found.shape[2] - left]
                found[plane, y : y + part.shape[0], x : x + part.shape[1]] = part
        return _bands_last(found)

    def _segment(self, index: int) -> Array | None:
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        page = self._page
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        segment = None
        if count:
            page.parent.filehandle.seek(offset)
            try:
                data, _, _ = page.decode(page.parent.filehandle.read(count), index, jpegtables=page.jpegtables)
            except Exception as error:  # a damaged file raises any exception
                kind = 'tile' if page.is_tiled else 'strip'
                raise UnreadableError(f'{kind} {index} of {len(page.dataoffsets)} is damaged ({error})') from error
            segment = data[0]
        self._kept[index] = segment
        while len(self._kept) > max(self._needed, _KEPT_BYTES // self.bytes):
            self._kept.popitem(last=False)
        return segment
