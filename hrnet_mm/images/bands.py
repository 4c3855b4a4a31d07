"""The bands of images that a network reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from .headers import Header
from .pixels import ImageError, header_of, read_bands, read_color

__all__ = ['Bands', 'order_of', 'read_picture']

_SPREAD = 2.0  # standard deviations from the mean that are shown between black and white


@dataclass(frozen=True)
class Bands:
    """The bands that a network reads of an image file.

    Attributes:
        numbers: Their numbers in the file, from 1, in the order of the network's channels.
        count: The number of bands that a file has.
        dtype: NumPy's name of the type of a value in the file.
    """

    numbers: tuple[int, ...]
    count: int
    dtype: str

    @classmethod
    def choose(cls, header: Header, numbers: Sequence[int] = ()) -> 'Bands':
        """Choose bands of images of a kind.

        Args:
            header: The head of one of them.
            numbers: The numbers; without, all but the opacity.

        Raises:
            UserError: A number is twice, or of no band.
        """
        numbers = tuple(numbers) or tuple(range(1, header.bands - header.has_alpha + 1))
        if len(set(numbers)) < len(numbers):
            twice = next(number for number in numbers if numbers.count(number) > 1)
            raise UserError(f'--bands {_listed(numbers)} names band {twice} twice; give each once')
        if wrong := [number for number in numbers if not 1 <= number <= header.bands]:
            raise UserError(
                f'--bands {_listed(numbers)} names band {wrong[0]}, and the images have the bands 1 to {header.bands}'
            )
        return cls(tuple(numbers), header.bands, header.dtype)

    def read(self, file: Path) -> npt.NDArray[Any]:
        """Read the bands of a file.

        Returns:
            The image `(H, W, len(numbers))`, of uint8 or float32; three bands in reverse, as B, G, R of pictures.

        Raises:
            ImageError: The file cannot be read, or has other bands.
        """
        header = header_of(file)
        self.require(header.bands, header.dtype)
        pixels = read_bands(file, header)
        return np.ascontiguousarray(pixels[..., [number - 1 for number in order_of(self.numbers)]])

    def require(self, count: int, dtype: str) -> None:
        """Check that a file has the bands that the network was trained on.

        Raises:
            ImageError: It has another number of bands, or another type.
        """
        if (count, dtype) != (self.count, self.dtype):
            raise ImageError(
                f'the file has {count} band{"s"[: count != 1]} of {dtype}, and the network was trained on {self}'
            )

    @property
    def shown(self) -> str:
        """Which bands a picture shows, in words."""
        if len(self.numbers) < 3:
            return f'band {self.numbers[0]} in gray'
        return f'bands {_listed(self.numbers[:3])} as red, green and blue'

    def __str__(self) -> str:
        """Such as 'bands 4,3,2 of 8, uint16'."""
        return f'band{"s"[: len(self.numbers) != 1]} {_listed(self.numbers)} of {self.count}, {self.dtype}'


def order_of(numbers: Sequence[int]) -> tuple[int, ...]:
    """The order of bands in memory: three are reversed, as libraries turn B, G, R into R, G, B."""
    return tuple(numbers)[::-1] if len(numbers) == 3 else tuple(numbers)


def read_picture(
    file: Path, bands: Bands | None = None, mean: Sequence[float] = (), std: Sequence[float] = ()
) -> npt.NDArray[np.uint8]:
    """Read an image to look at: the first three bands as R, G, B, of fewer the first as gray.

    Values of 8 bits are shown as they are, and others from two standard deviations below the mean to two above.

    Args:
        file: The file.
        bands: The bands; without, those of a picture, or all but the opacity.
        mean: The mean of each in the training part; without, in this image.
        std: The standard deviations, likewise.

    Returns:
        The picture `(H, W, 3)` in B, G, R.

    Raises:
        ImageError: The file cannot be read, or has other bands.
    """
    if bands is None:
        header = header_of(file)
        if header.is_picture:
            return read_color(file)
        bands = Bands.choose(header)
    pixels = bands.read(file)
    channels = range(len(bands.numbers))
    planes = dict(zip(order_of(channels), np.moveaxis(pixels, 2, 0), strict=True))
    if pixels.dtype != np.uint8:
        mean = mean or [float(planes[i].mean()) for i in channels]
        std = std or [float(planes[i].std()) for i in channels]
        planes = {i: _stretched(plane, mean[i], std[i]) for i, plane in planes.items()}
    shown = [planes[i] for i in ((2, 1, 0) if len(planes) >= 3 else (0, 0, 0))]
    return np.ascontiguousarray(np.stack(shown, axis=-1), np.uint8)


def _stretched(plane: npt.NDArray[Any], mean: float, std: float) -> npt.NDArray[Any]:
    shown: npt.NDArray[Any] = np.clip((plane - mean) * (127.5 / (_SPREAD * (std or 1))) + 127.5, 0, 255)
    return shown


def _listed(numbers: Sequence[int]) -> str:
    return ','.join(map(str, numbers))
