"""Images of the validation part that are copies of images of the training part."""

import hashlib
from pathlib import Path

from ..annotations import Report
from .content import Content

_HEAD = 65536  # bytes that tell most files of one size apart


def report_copies(path: Path, train: Content, val: Content, report: Report) -> None:
    """Warn of files with the same bytes in both parts, by which the metrics would be too good.

    Only files whose size occurs in both parts are read, and as a whole only those whose beginning is the same.

    Args:
        path: The folder.
        train: The training part.
        val: The validation part.
        report: Takes the warnings.
    """
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
        for file in same[1][found]:
            report.warning(
                f'{file} in the validation part is a copy of {same[0][found][0]} in the training part, so the metrics '
                'are too good; keep one',
                path,
                'copies',
            )


def _digest(file: Path, size: int) -> bytes:
    with file.open('rb') as opened:
        return hashlib.sha256(opened.read(size)).digest()
