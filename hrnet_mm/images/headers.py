"""Heads of image files: the size as the pixels are read, the bands, and the type of a value."""

import stat
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ..errors import UserError
from . import medical, tiff
from .limits import check_size

__all__ = ['Header', 'read_headers']

_THREADS = 8  # reading waits for the disk or the network
_PART = 64  # files that a thread reads in turn, as each change of threads costs more than a head that is in memory
_TURNED = {'JPEG', 'MPO', 'PNG', 'WEBP'}
"""Formats whose EXIF orientation OpenCV follows, and mmcv with it."""

_MODES = {
    **dict.fromkeys(('1', 'L'), (1, False)),
    **dict.fromkeys(('LA', 'La'), (2, True)),
    **dict.fromkeys(('P', 'RGB', 'RGBX', 'CMYK', 'YCbCr', 'LAB', 'HSV'), (3, False)),
    **dict.fromkeys(('PA', 'RGBA', 'RGBa'), (4, True)),
}
"""Bands, and whether the last is the opacity, of Pillow's modes of 8 bits, as they are read."""

_PNG_BANDS = {0: (1, False), 2: (3, False), 4: (2, True), 6: (4, True)}
"""The same of a PNG's types of colors."""


@dataclass(frozen=True)
class Header:
    """The head of an image as it is decoded, after the turn that its EXIF orientation asks for.

    Attributes:
        width: In pixels.
        height: In pixels.
        orientation: The EXIF orientation, 1 to 8; 1 leaves the image as it is stored.
        bands: The number of bands.
        dtype: NumPy's name of the type of a value.
        has_alpha: Whether the last band is the opacity.
        is_picture: Whether it is gray or colored in 8 bits, and so can be read as B, G, R.
    """

    width: int
    height: int
    orientation: int = 1
    bands: int = 3
    dtype: str = 'uint8'
    has_alpha: bool = False
    is_picture: bool = True

    @property
    def stored(self) -> tuple[int, int]:
        """Width and height before the turn."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    def is_before_turn(self, stated: Sequence[float | None]) -> bool:
        """Whether labels are for the image as it is stored, by the width and height that they are for."""
        is_stored = all(mine in (None, its) for mine, its in zip(stated, self.stored, strict=True))
        return self.orientation >= 5 and is_stored and self.contradicts(stated) is not None

    def contradicts(self, stated: Sequence[float | None]) -> str | None:
        """Say how the image is read, and what to do, if its labels are for another size.

        Args:
            stated: The width and height that the labels are for; None for one that is not stated.
        """
        size = self.width, self.height
        if all(mine in (None, its) for mine, its in zip(stated, size, strict=True)):
            return None
        is_turned = self.orientation >= 5 and all(
            mine in (None, its) for mine, its in zip(stated, self.stored, strict=True)
        )
        what_to_do = (
            f', because its EXIF orientation {self.orientation} turns it; label the turned image, or store it without '
            'an orientation'
            if is_turned
            else '; correct the numbers, or label the image that is there'
        )
        return f'the image is read as {self.width} x {self.height}{what_to_do}'

    def __str__(self) -> str:
        """The kind of the image, such as '4 bands of uint16'."""
        return 'pictures of 8 bits' if self.is_picture else f'{self.bands} band{"s"[: self.bands != 1]} of {self.dtype}'


def read_headers(files: Sequence[Path]) -> list[Header | str]:
    """Read the heads of image files.

    Args:
        files: The files.

    Returns:
        For each file its header, or the reason why it is not an image.
    """
    most = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # the limit is for decoding, and nothing is decoded here
    try:
        if len(files) == 1:
            return [_read(files[0])]
        parts = [files[i : i + _PART] for i in range(0, len(files), _PART)]
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(chain.from_iterable(pool.map(lambda part: [_read(file) for file in part], parts)))
    finally:
        Image.MAX_IMAGE_PIXELS = most


def _read(file: Path) -> Header | str:
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe would be waited for
            return 'it is a folder, a pipe or a device'
        if medical.is_medical(file):
            return Header(*medical.read_size(file), is_picture=False)
        if tiff.is_tiff(file):
            return _of_tiff(file)
        return _of_image(file)
    except UserError as error:
        return str(error)
    except UnidentifiedImageError:  # an OSError, whose text repeats the name
        return 'it begins like no format of images'
    except (OSError, ValueError, SyntaxError, TypeError, EOFError, struct.error) as error:
        return str(error)


def _of_image(file: Path) -> Header:
    with Image.open(file) as image:
        width, height = image.size
        # A PNG without EXIF data before its pixels would be decoded in search of them.
        exif = image.getexif() if image.format in ('JPEG', 'MPO') or 'exif' in image.info else {}
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        kind, mode = image.format, image.mode
        # MPO is what phones write: a photo with a preview of it.
        frames = 1 if kind == 'MPO' else getattr(image, 'n_frames', 1)
        has_transparency = 'transparency' in image.info
        depth = _depth(image)
    if frames > 1:
        raise UserError(f'it holds {frames} images; expected one in a file, so split it')
    if mode in _MODES:
        bands, has_alpha = _MODES[mode]
        if has_transparency and mode in ('P', 'RGB'):
            bands, has_alpha = 4, True
    elif mode.startswith('I'):
        bands, has_alpha = 1, False
    else:
        raise UserError(f'its mode {mode} is not supported; convert it to 8 or 16 bits')
    if kind == 'PNG' and depth == 16:
        with file.open('rb') as opened:
            bands, has_alpha = _PNG_BANDS[opened.read(26)[25]]
    dtype = 'uint16' if depth == 16 else 'uint8'
    check_size(width, height, bands, np.dtype(dtype).itemsize)
    if not (type(orientation) is int and 1 <= orientation <= 8 and kind in _TURNED):
        orientation = 1
    if orientation >= 5:
        width, height = height, width
    return Header(width, height, orientation, bands, dtype, has_alpha, is_picture=depth == 8)


def _depth(image: Any) -> int:
    """8 or 16, the bits of a value; Pillow reads colors of 16 bits as 8."""
    if image.format == 'PNG':
        with Path(image.filename).open('rb') as opened:
            return 16 if opened.read(25)[24] == 16 else 8
    if image.format == 'PPM' and image.tile:
        most = image.tile[0][3]
        most = most[1] if isinstance(most, tuple) and len(most) > 1 else 0
        return 16 if image.mode == 'I' or (isinstance(most, int) and most > 255) else 8
    return 16 if image.mode.startswith('I') else 8


def _of_tiff(file: Path) -> Header:
    head = tiff.read_head(file)
    width, height, orientation = head.width, head.height, head.orientation
    check_size(width, height, head.bands, head.dtype.itemsize)
    if head.is_picture and orientation != 1:
        decoded = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if decoded is None:
            raise UserError(f'OpenCV cannot read its orientation {orientation}')
        height, width = decoded.shape[:2]
    elif orientation >= 5:
        width, height = height, width
    return Header(width, height, orientation, head.bands, head.dtype.name, head.has_alpha, head.is_picture)
