"""Sizes of images from the heads of their files, as the libraries decode them."""

import stat
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
from PIL import ExifTags, Image

from .values import by

__all__ = ['Header', 'read_headers']

_THREADS = 8  # reading waits for the disk or the network
_PART = 64  # files that a thread reads in turn, as each change of threads costs more than a head that is in memory
_MOST_SIDE, _MOST_PIXELS = 1 << 20, 1 << 30  # of what OpenCV decodes
_TURNED = {'JPEG', 'MPO', 'PNG', 'WEBP'}
"""Formats whose EXIF orientation OpenCV follows, and mmcv with it."""


@dataclass(frozen=True)
class Header:
    """The size of an image as it is decoded, after the turn that its EXIF orientation asks for.

    Attributes:
        width: In pixels.
        height: In pixels.
        orientation: The EXIF orientation, 1 to 8; 1 leaves the image as it is stored.
    """

    width: int
    height: int
    orientation: int = 1

    @property
    def stored(self) -> tuple[int, int]:
        """Width and height before the turn."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

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
        return f'the image is read as {by(size)}{what_to_do}'


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
        parts = [files[i : i + _PART] for i in range(0, len(files), _PART)]
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(chain.from_iterable(pool.map(lambda part: [_read_header(file) for file in part], parts)))
    finally:
        Image.MAX_IMAGE_PIXELS = most


def _read_header(file: Path) -> Header | str:
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe would be waited for
            return 'it is a folder, a pipe or a device'
        with Image.open(file) as image:
            width, height = image.size
            # A PNG without EXIF data before its pixels would be decoded in search of them.
            exif = image.getexif() if image.format in ('JPEG', 'MPO', 'TIFF') or 'exif' in image.info else {}
            orientation = exif.get(ExifTags.Base.Orientation, 1)
            kind = image.format
    except (OSError, ValueError, SyntaxError, TypeError, EOFError, struct.error) as error:
        return str(error)
    if max(width, height) > _MOST_SIDE or width * height > _MOST_PIXELS:
        return f'it states {by((width, height))}, which is too large'
    if orientation not in range(2, 9):
        return Header(width, height)
    if kind not in _TURNED:
        decoded = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if decoded is None:
            return f'OpenCV cannot read its orientation {orientation}'
        return Header(decoded.shape[1], decoded.shape[0], orientation)
    return Header(height, width, orientation) if orientation >= 5 else Header(width, height, orientation)
