"""Predictions of a run on disk, one JSON line for each image, so that an interrupted run can be continued.

Each process appends to its own file; a prediction counts once its line is complete. When all images have one, the lines
are merged in the order of the images.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ..errors import UserError
from ..weights.io import written_aside

__all__ = ['Predictions', 'merge']

_FLUSH_SECONDS = 5.0


class Predictions:
    """The predictions in a folder, and the file that this process appends to.

    A line that a kill has cut off is removed from that file. Appended lines survive a kill of the process at once, and
    a power failure after 5 s.

    Args:
        folder: The folder.
        rank: The rank of this process.
        processes: The number of processes.

    Raises:
        UserError: Another process appends to the same file; this is not detected on Windows.
    """

    def __init__(self, folder: Path, rank: int, processes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f'{rank:05}-of-{processes:05}.jsonl').open('ab+')
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            raise UserError(f'another run is writing to {folder}; wait for it, or choose another --out') from error
        self._file.truncate(_complete_length(self._file))
        self.done = {json.loads(line)['image'] for file in _files(folder) for line in _lines(file)}
        self._flushed = time.monotonic()

    def add(self, prediction: dict[str, Any]) -> None:
        """Append a prediction, a dict with the key 'image'."""
        self._file.write(json.dumps(prediction, separators=(',', ':')).encode() + b'\n')
        self._file.flush()
        self.done.add(prediction['image'])
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            os.fsync(self._file.fileno())
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush the file to disk and close it."""
        os.fsync(self._file.fileno())
        self._file.close()


def merge(folder: Path, images: Sequence[str], target: Path) -> dict[str, str] | None:
    """Write the predictions for the images to one file.

    Args:
        folder: The folder of `Predictions`.
        images: The images, in the order of the output.
        target: The file to write.

    Returns:
        The errors by image; None, with nothing written, if an image has no prediction yet.
    """
    places: dict[str, tuple[Path, int]] = {}
    for file in _files(folder):
        offset = 0
        for line in _lines(file):
            places.setdefault(json.loads(line)['image'], (file, offset))
            offset += len(line)
    if any(image not in places for image in images):
        return None
    errors = {}
    opened = {file: file.open('rb') for file in _files(folder)}
    try:
        with written_aside(target) as aside, aside.open('wb') as merged:
            for image in images:
                file, offset = places[image]
                opened[file].seek(offset)
                line = opened[file].readline()
                merged.write(line)
                if 'error' in (prediction := json.loads(line)):
                    errors[image] = str(prediction['error'])
    finally:
        for stream in opened.values():
            stream.close()
    return errors


def _lock(file: IO[bytes]) -> None:
    with contextlib.suppress(ModuleNotFoundError):  # Windows
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob('*-of-*.jsonl'))


def _lines(file: Path) -> Iterator[bytes]:
    """Yield the complete lines; the last may be cut off or incomplete."""
    with file.open('rb') as stream:
        yield from (line for line in stream if line.endswith(b'\n'))


def _complete_length(stream: IO[bytes]) -> int:
    """Return the offset of the end of the last complete line."""
    position = stream.seek(0, os.SEEK_END)
    while position > 0:
        start = max(0, position - 4096)
        stream.seek(start)
        found = stream.read(position - start).rfind(b'\n')
        if found >= 0:
            return start + found + 1
        position = start
    return 0
