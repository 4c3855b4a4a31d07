"""Label images of segmentation: a value for each pixel, 0 for background, i for the i-th category, 255 for neither."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from ..annotations import Report
from ..errors import UserError
from .content import Content
from .turning import upright_labels

__all__ = [
    'UNLABELED',
    'check_number_of_labels',
    'check_semantic',
    'is_colored',
    'label_array',
    'read_colors',
    'read_labels',
    'semantic_file',
]

UNLABELED = 255
"""The value of pixels that are neither learned nor measured."""

_THREADS = 4


def semantic_file(path: Path, name: str) -> Path:
    """The label image of the image `name`: the file of the same place in semantic/ as below `path` or its images/."""
    return (path / 'semantic' / name.removeprefix('images/')).with_suffix('.png')


def read_labels(file: Path) -> Any:
    """The values `(H, W)` of a gray or palette image, as mmseg reads them.

    Raises:
        UserError: It is not such an image.
    """
    values = _read(file)
    if values.dtype == bool:  # a bit for each pixel
        values = values.astype(np.uint8)
    if values.ndim != 2:
        raise UserError(
            f'{file} is a color image; labels must be a gray or palette PNG with 0 for background and i for the i-th '
            'category'
        )
    return values


def read_colors(file: Path) -> Any:
    """The colors `(H, W)` of an image, palettes applied, as whole numbers 0xrrggbb.

    Raises:
        UserError: It is no image.
    """
    red, green, blue = np.moveaxis(_read(file, 'RGB').astype(np.int64), -1, 0)
    return (red << 16) | (green << 8) | blue


def is_colored(file: Path) -> bool:
    """Whether a label image has more than one number for each pixel.

    Raises:
        UserError: It is no image.
    """
    return bool(_read(file).ndim == 3)


def label_array(path: Path, content: Content, image: Content) -> Any:
    """The labels `(H, W)` of an image: 0 for background, i for the i-th category, `UNLABELED` for neither.

    Raises:
        UserError: Its label image is damaged, or holds a value of no label.
    """
    file = path / image['label_image']
    table: Mapping[str, int] | None = content.get('label_values')
    if table is None:
        return upright_labels(read_labels(file), path / image['file_name'], image)
    by_color = any(key.startswith('#') for key in table)
    found, places = np.unique(read_colors(file) if by_color else read_labels(file), return_inverse=True)
    keys = [f'#{value:06x}' if by_color else str(value) for value in found.tolist()]
    if unknown := [key for key in keys if key not in table]:
        raise UserError(
            f'{file} holds {"the color" if by_color else "the value"} {unknown[0]}, which is none of the labels '
            f'{", ".join(list(table)[:10])}; add it to the list of the classes, which names background too, or repaint '
            'the pixels'
        )
    labels = np.array([table[key] for key in keys], np.uint8)[places].reshape(places.shape)
    return upright_labels(labels, path / image['file_name'], image)


def _read(file: Path, mode: str | None = None) -> Any:
    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            return np.asarray(image.convert(mode) if mode else image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f'{file} is not a label image ({error})') from error


def check_number_of_labels(path: Path, content: Content, report: Report) -> None:
    """Check that the labels of all categories fit below `UNLABELED`."""
    count = len(content['categories'])
    if count >= UNLABELED:
        report.error(
            f'{path} has {count} categories; segmentation allows {UNLABELED - 1}, because a pixel holds a byte and '
            f'{UNLABELED} means unlabeled, so leave some out'
        )


def check_semantic(path: Path, parts: Sequence[Content], report: Report) -> list[Counter[str]]:
    """Check the label image of every image, all of whose pixels are read.

    Args:
        path: The folder.
        parts: The training and the validation part.
        report: Takes the findings.

    Returns:
        For each part, the number of images with each category.
    """
    names = ['background', *(one['name'] for one in parts[0]['categories'])]
    owners: dict[Path, str] = {}
    found = []
    for part in parts:
        counts: Counter[str] = Counter(dict.fromkeys(names[1:], 0))
        with ThreadPoolExecutor(_THREADS) as pool:
            for values, kind, mistake in pool.map(lambda image, part=part: _checked(path, part, image), part['images']):
                counts.update(names[value] for value in values if 0 < value < len(names))
                if mistake:
                    report.error(mistake, path, kind)
        for image in part['images']:
            file = path / image['label_image']
            other = owners.setdefault(file, image['file_name'])
            if other != image['file_name']:
                report.error(f'{file} would label both {other} and {image["file_name"]}; give one another name')
        found.append(counts)
    return found


def _checked(path: Path, content: Content, image: Content) -> tuple[list[int], str, str]:
    """The values in the label image of an image, and the kind and the sentence of a mistake."""
    file, num_classes = path / image['label_image'], len(content['categories'])
    needed = f'{file} is not a gray image of {image["width"]} x {image["height"]} pixels'
    every = f'{PurePosixPath(image["label_image"]).parts[0]}/ must label every image or be left out'
    if not file.is_file():
        return [], 'no file', f'{needed}; {every} (there is no such file)'
    try:
        labels = label_array(path, content, image)
    except UserError as error:
        return [], 'file', str(error)
    if labels.shape != (image['height'], image['width']):
        return [], 'size', f'{needed}; {every} (it has {labels.shape[1]} x {labels.shape[0]})'
    values = np.unique(labels).astype(int).tolist()
    wrong = [value for value in values if not 0 <= value <= num_classes and value != UNLABELED]
    if wrong:
        return (
            [],
            'value',
            (
                f'{file} holds the label {max(wrong)}, but there are {num_classes} classes; 0 must be background, '
                f'i the i-th category and {UNLABELED} unlabeled'
            ),
        )
    return values, '', ''
