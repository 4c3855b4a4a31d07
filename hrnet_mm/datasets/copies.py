"""Images of the validation part that are copies, or nearly, of images of the training part."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..annotations import Report
from .content import Content

_PIXELS = 1e8  # that are decoded for the comparison, of the images at equal distances where there are more
_IMAGES = 2000
_SIDE = 32  # of the small images that are compared
_THREADS = 4
_LEAST_CONTRAST = 16.0  # gray levels between the darkest and the brightest cell
_NEAR = 0.06  # of the contrast: the largest difference of a cell of images that are nearly the same

_HEAD = 65536  # bytes that tell most files of one size apart


def report_copies(path: Path, train: Content, val: Content, report: Report) -> set[str]:
    """Warn of files with the same bytes in both parts, by which the metrics would be too good; return those of `val`.

    Only files whose size occurs in both parts are read, and as a whole only those whose beginning is the same.

    Args:
        path: The folder.
        train: The training part.
        val: The validation part.
        report: Takes the warnings.
    """
    copied: set[Path] = set()
    parts = [[path / image['file_name'] for image in part['images']] for part in (train, val)]
    same: list[dict[object, list[Path]]] = [{None: files} for files in parts]
    for key in (lambda file: file.stat().st_size, lambda file: _digest(file, _HEAD), lambda file: _digest(file, -1)):
        shared = same[0].keys() & same[1].keys()
        grouped: list[dict[object, list[Path]]] = []
        for part in same:
            groups: dict[object, list[Path]] = {}
            for before in shared:
                for file in part[before]:
                    groups.setdefault((before, key(file)), []).append(file)
            grouped.append(groups)
        same = grouped
    for found in sorted(same[0].keys() & same[1].keys(), key=lambda one: same[1][one][0]):
        copied |= set(same[1][found])
        for file in same[1][found]:
            report.warning(
                f'{file} in the validation part is a copy of {same[0][found][0]} in the training part, so the metrics '
                'are too good; keep one',
                path,
                'copies',
            )
    return {file.relative_to(path).as_posix() for file in copied}


def report_near_copies(path: Path, train: Content, val: Content, copied: set[str], report: Report) -> None:
    """Warn of images that look the same in both parts: frames of one video, or other encodings of one image.

    Gray images of 32 x 32 cells are compared; those that are nearly of one gray are not.

    Args:
        path: The folder.
        train: The training part.
        val: The validation part.
        copied: Images of it that are known to be copies.
        report: Takes the warning.
    """
    images = [*train['images'], *val['images']]
    pixels = sum(image['width'] * image['height'] for image in images)
    every = max(1, round(pixels / _PIXELS), round(len(images) / _IMAGES))
    names = [[image['file_name'] for image in part['images'][::every]] for part in (train, val)]
    with ThreadPoolExecutor(_THREADS) as pool:
        small = [list(pool.map(lambda name: _small(path / name), part)) for part in names]
    known = [
        [(name, one) for name, one in zip(*part, strict=True) if one is not None]
        for part in zip(names, small, strict=True)
    ]
    if not known[0]:
        return
    of_train = np.array([one for _, one in known[0]])
    near = []
    for name, one in known[1]:
        if name in copied:
            continue
        differences = np.abs(of_train - one).max(1)
        nearest = int(differences.argmin())
        if differences[nearest] <= _NEAR * np.ptp(one):
            near.append((name, known[0][nearest][0]))
    if near:
        first, other = near[0]
        compared = f'{len(known[1])} images of the validation part' + (' that were compared' if every > 1 else '')
        report.warning(
            f'{path}: {len(near)} of {compared} look like one of the training part, such as {first} like {other}, so '
            'the metrics are too good; validate on images of other videos, places or days'
        )


def _small(file: Path) -> Any:
    """The gray levels of 32 x 32 cells; None for an image without contrast."""
    image = cv2.imread(str(file), cv2.IMREAD_REDUCED_GRAYSCALE_2)
    if image is None:
        return None
    cells = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    return cells if np.ptp(cells) >= _LEAST_CONTRAST else None


def _digest(file: Path, size: int) -> bytes:
    with file.open('rb') as opened:
        return hashlib.sha256(opened.read(size)).digest()
