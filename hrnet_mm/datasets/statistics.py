"""The kind of the images of a folder, and the statistics of their channels in the training part."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..annotations import Report
from ..errors import UserError
from ..images import Bands, Header, ImageError, read_color, read_headers
from .content import Content

__all__ = ['measure_images']

_MOST_IMAGES = 50


def measure_images(path: Path, train: Content, val: Content, numbers: Sequence[int], report: Report) -> dict[str, Any]:
    """Find out what is read of the images of a folder, and measure it.

    Mean, standard deviation and range are those of the training part, over 50 or more of its images, one of which is in
    memory at a time. Of real numbers every image of both parts is read, because one of them may be NaN.

    Args:
        path: The folder.
        train: The training part.
        val: The validation part.
        numbers: The numbers of the bands, from 1; none for pictures of 8 bits, or all bands of other images.
        report: Takes the warnings.

    Returns:
        The fields `mean`, `std`, `bands` and `value_range` of a `Folder`.

    Raises:
        UserError: The images are of several kinds, there is no such band, or one cannot be read.
    """
    files = [path / image['file_name'] for image in train['images']]
    others = [path / image['file_name'] for image in val['images']]
    header = _common_kind(path, [*files, *others], bool(numbers), report)
    bands = None if header.is_picture and not numbers else Bands.choose(header, numbers)
    every = header.dtype.startswith('float')
    chosen = files if every else files[:: max(1, len(files) // _MOST_IMAGES)]
    if every:
        for file in others:
            _read(file, bands)
    mean, std, least, greatest = _statistics(chosen, bands)
    ranges = tuple(zip(least, greatest, strict=True))
    if bands is None:
        return {'mean': mean, 'std': std}
    for number, (low, high) in zip(bands.numbers, ranges, strict=True):
        if low == high:
            report.warning(f'{path}: band {number} is {low:g} in every image, so nothing is learned from it')
    return {'mean': mean, 'std': std, 'bands': bands, 'value_range': ranges}


def _common_kind(path: Path, files: Sequence[Path], as_bands: bool, report: Report) -> Header:
    """The head of the first image, if all are of its kind; as pictures, those of 8 bits are of one kind."""
    headers: list[tuple[Path, Header]] = []
    for file, header in zip(files, read_headers(files), strict=True):
        if isinstance(header, str):
            raise UserError(f'{file} is not an image that can be read ({header}); replace it')
        headers.append((file, header))
    first: dict[str, tuple[Path, Header]] = {}
    counts: Counter[str] = Counter()
    for file, header in headers:
        bands = f'{header.bands} band{"s"[: header.bands != 1]} of {header.dtype}'
        kind = bands if as_bands else str(header)
        first.setdefault(kind, (file, header))
        counts[kind] += 1
    if len(first) > 1:
        found = ' and '.join(f'{count} of {kind} ({first[kind][0].name})' for kind, count in counts.most_common(3))
        raise UserError(
            f'{path} has images of {len(first)} kinds: {found}; a network reads one kind, so convert or remove the '
            'others'
        )
    ((_, header),) = first.values()
    opaque = sum(one.has_alpha for _, one in headers)
    if opaque and not as_bands:
        report.warning(
            f'{path}: {opaque} of {len(headers)} images have an opacity (alpha), which is left out; --bands with its '
            f'number, such as --bands 1,2,3,4, reads it as a band'
        )
    return header


def _read(file: Path, bands: Bands | None) -> Any:
    try:
        return read_color(file) if bands is None else bands.read(file)
    except ImageError as error:
        raise UserError(f'{file}: {error}') from error


def _statistics(files: Sequence[Path], bands: Bands | None) -> tuple[tuple[float, ...], ...]:
    """Mean, standard deviation, least and greatest value of the channels in the order of the network.

    The standard deviation is at least a 255th of the range; of 8 bits, at least 1.
    """
    count, total, squares, least, greatest = 0, np.zeros(1), np.zeros(1), np.array(np.inf), np.array(-np.inf)
    for file in files:
        number, mean, std, low, high = _measured(_read(file, bands))
        count, total, squares = count + number, total + number * mean, squares + number * (std**2 + mean**2)
        least, greatest = np.minimum(least, low), np.maximum(greatest, high)
    mean = total / count
    variance = squares / count - mean**2
    wide = np.full(len(mean), 255.0) if bands is None or bands.dtype == 'uint8' else greatest - least
    floor = np.where(wide > 0, wide, 255) / 255
    found = mean, np.sqrt(np.maximum(variance, floor**2)), least, greatest
    backwards = slice(None, None, -1 if len(mean) == 3 else 1)  # three channels are in memory as B, G, R
    return tuple(tuple(values[backwards].tolist()) for values in found)


def _measured(pixels: Any) -> tuple[int, Any, Any, Any, Any]:
    """The number of pixels of an image, and mean, standard deviation, least and greatest value of each channel."""
    planes = np.moveaxis(pixels, 2, 0)
    mean, std = np.array([cv2.meanStdDev(np.ascontiguousarray(plane)) for plane in planes]).reshape(-1, 2).T
    return planes[0].size, mean, std, [plane.min() for plane in planes], [plane.max() for plane in planes]
