"""Pixels of image files: pictures of 8 bits as B, G, R, and the bands of any other image as they are."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import UserError
from . import medical, tiff
from .headers import Header, read_headers

__all__ = ['IMAGE_SUFFIXES', 'ImageError', 'header_of', 'read_bands', 'read_color', 'upright']

IMAGE_SUFFIXES = frozenset({'.bmp', '.dcm', '.jpeg', '.jpg', '.nii', '.png', '.tif', '.tiff', '.webp'})
"""Suffixes of the image files of a folder."""

_EOI, _SOS = b'\xff\xd9', b'\xff\xda'  # of a JPEG: the end of the image, the start of a scan


class ImageError(UserError):
    """An image file that cannot be read as it is asked for; the message has the reason."""


def read_color(file: Path) -> npt.NDArray[np.uint8]:
    """Read a picture of 8 bits: gray, a palette, RGB or CMYK; opacity is left out.

    Args:
        file: The file.

    Returns:
        The image `(H, W, 3)` in B, G, R, upright by its EXIF orientation.

    Raises:
        ImageError: It is damaged, or holds anything else: several pages, more bits, other bands.
    """
    header = header_of(file)
    if not header.is_picture:
        raise ImageError(
            f'the file has {header}, and the network reads pictures of 8 bits (gray, a palette, RGB or CMYK)'
        )
    image = _decode(file, cv2.IMREAD_COLOR)
    return np.asarray(image, np.uint8)


def read_bands(file: Path, header: Header | None = None) -> npt.NDArray[Any]:
    """Read all bands of an image.

    Args:
        file: The file.
        header: Its head, where it was read before.

    Returns:
        The image `(H, W, bands)` in the order and with the type of the file, upright by its EXIF orientation. Values of
        8 bits are kept, and others become float32, without a change of scale.

    Raises:
        ImageError: It is damaged, holds several pages, or NaN or infinity.
    """
    header = header or header_of(file)
    try:
        if medical.is_medical(file):
            pixels = medical.read_medical(file)
        elif tiff.is_tiff(file) and not header.is_picture:
            pixels = upright(tiff.read_tiff(file), header.orientation)
        else:
            pixels = _unchanged(file, header)
    except ImageError:
        raise
    except UserError as error:
        raise ImageError(f'the file cannot be read: {error}') from error
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    with np.errstate(over='ignore'):  # a number of 64 bits beyond float32 becomes infinity, which is refused
        values = np.ascontiguousarray(pixels, np.float32)
    if pixels.dtype.kind == 'f' and not np.isfinite(values).all():
        wrong = np.argwhere(~np.isfinite(values))
        y, x, band = wrong[0].tolist()
        raise ImageError(
            f'{len(wrong)} of its values are not finite, the first in band {band + 1} at row {y + 1}, column {x + 1}; '
            'fill them'
        )
    return values


def upright(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn and mirror stored pixels `(H, W, ...)` as an EXIF orientation asks for."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def header_of(file: Path) -> Header:
    """Read the head of an image file.

    Raises:
        ImageError: There is no such file, or it is not an image.
    """
    try:
        if file.stat().st_size == 0:
            raise ImageError('the file is empty')
    except OSError as error:
        raise ImageError(str(error.strerror or error)) from error
    (header,) = read_headers([file])
    if isinstance(header, str):
        raise ImageError(f'the file cannot be read: {header}')
    return header


def _unchanged(file: Path, header: Header) -> npt.NDArray[Any]:
    """The bands of a picture or of a PNG of 16 bits, R, G and B first."""
    # OpenCV follows the orientation with the first flag only, and keeps opacity and 16 bits with the second.
    if header.dtype == 'uint8' and not header.has_alpha:
        pixels = _decode(file, cv2.IMREAD_GRAYSCALE if header.bands == 1 else cv2.IMREAD_COLOR)
    else:
        pixels = upright(_decode(file, cv2.IMREAD_UNCHANGED), header.orientation)
    pixels = np.atleast_3d(pixels)
    if header.has_alpha and header.bands == 2 and pixels.shape[2] == 4:
        pixels = pixels[..., [0, 3]]  # OpenCV makes colors of gray with opacity
    if pixels.shape[2] != header.bands or pixels.dtype != header.dtype:
        raise ImageError(
            f'the file has {header.bands} bands of {header.dtype}, and OpenCV reads {pixels.shape[2]} of {pixels.dtype}'
            '; save it as TIFF'
        )
    return pixels[..., [2, 1, 0, 3][: header.bands]] if header.bands >= 3 else pixels


def _decode(file: Path, flag: int) -> npt.NDArray[Any]:
    try:
        data = file.read_bytes()
        _check_end(data)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except OSError as error:
        raise ImageError(str(error.strerror or error)) from error
    except cv2.error as error:
        raise ImageError(f'OpenCV cannot decode the file ({error.err})') from error
    if pixels is None:
        raise ImageError('the file is not an image that OpenCV reads, or is damaged')
    return np.asarray(pixels)


def _check_end(data: bytes) -> None:
    """Check that a file was not cut off, of which decoders make an image that is gray below."""
    if data[:2] == b'\xff\xd8':
        # The two marks cannot be within the data of a scan; a preview in the head has ends of its own.
        is_whole = data.rfind(_EOI) > data.rfind(_SOS)
    elif data[:4] == b'\x89PNG':
        is_whole = data.rfind(b'IEND') > 0
    elif data[:4] == b'RIFF':
        is_whole = len(data) >= int.from_bytes(data[4:8], 'little') + 8
    else:
        return
    if not is_whole:
        raise ImageError('the file is cut off; copy it again')
