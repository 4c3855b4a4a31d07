"""TIFF files of any number of bands and any type, read by tifffile, and by OpenCV what it has no decoder for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import UserError

__all__ = ['TiffHead', 'is_tiff', 'read_head', 'read_tiff']

_MAGIC = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
_NOT_PAGES = 0b101  # bits of the subfile type: a smaller copy, a mask
_ORIENTATION = 274
_ALPHA = (1, 2)
_GRAY, _RGB, _COLORS = (0, 1), 2, (3, 5, 6)  # palette, CMYK, YCbCr: OpenCV makes R, G, B of them
_TYPES = ('uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float16', 'float32', 'float64')
_MOST_OPENCV_BANDS = 4


@dataclass(frozen=True)
class TiffHead:
    """The head of a TIFF file; `axes` are those of the stored array.

    Attributes:
        width: In pixels, before a turn.
        height: In pixels, before a turn.
        orientation: The EXIF orientation, 1 to 8.
        bands: The number of bands.
        dtype: The type of a value.
        has_alpha: Whether the last band is the opacity.
        is_picture: Whether it is gray or colored in 8 bits.
        axes: 'YX', or with 'S' or 'C' for the bands in their place.
    """

    width: int
    height: int
    orientation: int
    bands: int
    dtype: np.dtype[Any]
    has_alpha: bool
    is_picture: bool
    axes: str


def is_tiff(file: Path) -> bool:
    """Whether a file is a TIFF by its first bytes."""
    with file.open('rb') as opened:
        return opened.read(4) in _MAGIC


def read_head(file: Path) -> TiffHead:
    """Read the head of a TIFF file.

    Raises:
        UserError: It is damaged, or not a single image.
    """
    with _opened(file) as opened:
        return _head(_series(opened))


def read_tiff(file: Path) -> npt.NDArray[Any]:
    """Read the pixels `(H, W, bands)` of a TIFF file as they are stored, without a turn.

    Raises:
        UserError: It is damaged, or not a single image.
    """
    with _opened(file) as opened:
        series = _series(opened)
        head = _head(series)
        try:
            pixels: npt.NDArray[Any] = series.asarray()
        except Exception as error:  # a damaged file raises any exception
            if 'imagecodecs' not in str(error):
                raise UserError(f'it is damaged ({error})') from error
            return _by_opencv(file, head, str(error))
    shape = [side for side, axis in zip(series.shape, series.axes, strict=True) if axis in 'YX' or side > 1]
    pixels = pixels.reshape(shape)
    if len(head.axes) == 2:
        return pixels[..., None]
    return np.moveaxis(pixels, next(i for i, axis in enumerate(head.axes) if axis not in 'YX'), -1)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        import tifffile
    except ImportError as error:
        raise UserError("TIFF files are read by tifffile: pip install 'hrnet_mm[tiff]'") from error
    try:
        opened = tifffile.TiffFile(file)
    except Exception as error:  # a damaged file raises any exception
        raise UserError(f'it is no TIFF that tifffile reads ({error})') from error
    with opened:
        yield opened


def _series(opened: Any) -> Any:
    """The only image of a file, without smaller copies and masks of it.

    Raises:
        UserError: There are several, or none.
    """
    try:
        pages = [page for page in opened.pages if not int(getattr(page, 'subfiletype', 0)) & _NOT_PAGES]
        series = [one for one in opened.series if not int(getattr(one.keyframe, 'subfiletype', 0)) & _NOT_PAGES]
    except Exception as error:
        raise UserError(f'its pages cannot be read ({error})') from error
    if not pages or not series:
        raise UserError('it has no page')
    one = series[0]
    others = [side for side, axis in zip(one.shape, one.axes, strict=True) if axis not in 'YXSC' and side > 1]
    # Pages of a file may be the channels of one image, as ImageJ and OME write them.
    if len(series) > 1 or others:
        count = sum(np.prod([s for s, axis in zip(x.shape, x.axes, strict=True) if axis not in 'YXSC']) for x in series)
        raise UserError(
            f'it has {int(count)} pages; expected one image in a file, so save each as a file of its own, or as bands '
            'of one page if they are'
        )
    return one


def _head(series: Any) -> TiffHead:
    page = series.keyframe
    sides = {axis: side for axis, side in zip(series.axes, series.shape, strict=True) if axis in 'YX' or side > 1}
    bands = [side for axis, side in sides.items() if axis not in 'YX']
    if len(bands) > 1 or 'Y' not in sides or 'X' not in sides:
        raise UserError(f'its axes are {series.axes} of {series.shape}; expected height, width and bands')
    count = bands[0] if bands else 1
    bits = int(page.bitspersample)
    dtype = np.dtype(series.dtype) if series.dtype is not None else np.dtype(object)
    if dtype.kind == 'b' or bits == 1:
        dtype = np.dtype(np.uint8)
    if dtype.name not in _TYPES:
        raise UserError(f'its values are {series.dtype or f"of {bits} bits"}; expected one of {", ".join(_TYPES)}')
    has_alpha = any(int(extra) in _ALPHA for extra in page.extrasamples)
    colors = count - has_alpha
    kind = int(page.photometric)
    is_picture = dtype == np.uint8 and (
        (kind in _GRAY and colors == 1) or (kind == _RGB and colors == 3) or (kind in _COLORS)
    )
    if kind == 3:
        count = 3
    elif kind in _COLORS and is_picture:
        count, has_alpha = 3, False
    orientation = page.tags.valueof(_ORIENTATION, default=1)
    if orientation not in range(1, 9):
        orientation = 1
    return TiffHead(sides['X'], sides['Y'], int(orientation), count, dtype, has_alpha, is_picture, ''.join(sides))


def _by_opencv(file: Path, head: TiffHead, reason: str) -> npt.NDArray[Any]:
    """Read what tifffile has no decoder for, such as LZW, which OpenCV has for up to four bands."""
    pixels = None
    if head.bands <= _MOST_OPENCV_BANDS and head.orientation == 1:
        pixels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != head.dtype or np.atleast_3d(pixels).shape[2] != head.bands:
        raise UserError(f"{reason}: pip install 'hrnet_mm[tiff]'")
    pixels = np.atleast_3d(pixels)
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(head.bands)  # OpenCV turns the first three around
    return pixels if order is None else pixels[..., order]
