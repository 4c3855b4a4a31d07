"""Check of label images, which give each pixel the number of its class."""

import warnings
from collections import Counter
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from ..images import Header, read_headers
from .report import Report

__all__ = ['check_label_sizes', 'check_label_values', 'label_values']

_THREADS = 4
_MOST_PIXELS = 500e6
"""Pixels of label images that are decoded, which takes some seconds; of a larger set, images at equal distances."""


def label_values(file: Path) -> set[int] | str:
    """Return the values in a gray or palette image, or the reason why it has none."""
    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            if image.mode in ('L', 'P', '1'):
                # Many times faster than a search in the array.
                counts = image.convert('L').histogram() if image.mode == '1' else image.histogram()
                return {value for value, count in enumerate(counts) if count}
            values = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f'it is not a label image ({error})'
    if values.ndim != 2:
        return (
            'it is a color image; labels must be a gray or palette PNG that holds the number of its class for each '
            'pixel'
        )
    return set(np.unique(values).astype(int).tolist())


def check_label_sizes(
    images: Sequence[tuple[str, Header]], files: Sequence[Path], turns: bool, kind: Hashable, report: Report
) -> list[tuple[Path, Header]]:
    """Compare the sizes of label images, which are read as they are stored, with those of their images.

    Args:
        images: The name and the header of each image.
        files: Its label image.
        turns: Whether images are read as their EXIF orientation asks for.
        kind: Groups the findings, such as the file that lists the images.
        report: Takes the findings.

    Returns:
        The label images of the right size, and their headers.
    """
    found = []
    for file, label, (name, header) in zip(files, read_headers(files), images, strict=True):
        size = (header.width, header.height) if turns else header.stored
        if isinstance(label, str):
            report.error(f'{file} is not the label image of {name!r} ({label})', kind, 'label')
        elif label.stored != size:
            report.error(
                f'{file} has {label.stored[0]} x {label.stored[1]} pixels, but the image {name!r} is '
                f'read as {size[0]} x {size[1]}; label the image that is there',
                kind,
                'label size',
            )
        else:
            found.append((file, label))
    return found


def check_label_values(
    labels: Sequence[tuple[Path, Header]], names: Sequence[str], reduces: bool, ignored: int, report: Report
) -> Counter[str] | None:
    """Check that label images hold the numbers of classes.

    Args:
        labels: The files and their headers.
        names: The names of the classes.
        reduces: Whether 0 is ignored and i is the i-th class; otherwise the classes begin with 0.
        ignored: The value of pixels that are neither learned nor measured.
        report: Takes the findings.

    Returns:
        The number of images with each class; None if there are so many that not all were read.
    """
    pixels = sum(header.width * header.height for _, header in labels)
    chosen = [file for file, _ in labels[:: max(1, round(pixels / _MOST_PIXELS))]]
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    first, last = (1, len(names)) if reduces else (0, len(names) - 1)
    free = {ignored, 255, 0} if reduces else {ignored}
    with ThreadPoolExecutor(_THREADS) as pool:
        for file, values in zip(chosen, pool.map(label_values, chosen), strict=True):
            if isinstance(values, str):
                report.error(f'{file}: {values}', 'label image')
                continue
            wrong = {value for value in values if not first <= value <= last} - free
            if wrong:
                report.error(
                    f'{file} holds the label {max(wrong)}, but there are {len(names)} classes; {first} to {last} must '
                    f'be the classes{", 0" if reduces else ""} and {ignored} unlabeled',
                    'label value',
                )
            counts.update(names[value - first] for value in values if first <= value <= last)
    return counts if len(chosen) == len(labels) else None
