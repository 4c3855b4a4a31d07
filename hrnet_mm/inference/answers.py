"""The answers of a run on disk: one JSON line an image, so that what is killed at any moment can go on.

Each process appends to a file of its own; an answer counts once its line is complete. When all images have one, the
lines are merged, in the order of the images.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ..errors import UserError
from ..weights.io import written_aside

__all__ = ['Answers', 'merge']

_FLUSH_SECONDS = 5.0


class Answers:
    """The answers in a folder, and the file in it that this process, `rank` of `processes`, appends to.

    A line of that file that a kill has cut off is removed. What is appended survives a kill of the process at once, and
    a power failure after 5 s.

    Raises ValueError if another process appends to the same file.
    """

    def __init__(self, folder: Path, rank: int, processes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f'{rank:05}-of-{processes:05}.jsonl').open('ab+')
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise UserError(f'another run is writing to {folder}; wait for it, or choose another --out') from error
        self._file.truncate(_complete_length(self._file))
        self.answered = {json.loads(line)['image'] for file in _files(folder) for line in _lines(file)}
        self._flushed = time.monotonic()

    def add(self, answer: dict[str, Any]) -> None:
        """Append an answer, a dict with the key 'image'."""
        self._file.write(json.dumps(answer, separators=(',', ':')).encode() + b'\n')
        self._file.flush()
        self.answered.add(answer['image'])
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            os.fsync(self._file.fileno())
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush to the disk."""
        os.fsync(self._file.fileno())
        self._file.close()


def merge(folder: Path, images: Sequence[str], target: Path) -> dict[str, str] | None:
    """Write the answers of the images to one file and return the errors among them; None if an image has none."""
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
                if 'error' in (answer := json.loads(line)):
                    errors[image] = str(answer['error'])
    finally:
        for stream in opened.values():
            stream.close()
    return errors


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob('*-of-*.jsonl'))


def _lines(file: Path) -> Iterator[bytes]:
    """The complete lines; the last may be cut off, or being written."""
    with file.open('rb') as stream:
        yield from (line for line in stream if line.endswith(b'\n'))


def _complete_length(stream: IO[bytes]) -> int:
    """Where the last complete line ends."""
    position = stream.seek(0, os.SEEK_END)
    while position > 0:
        start = max(0, position - 4096)
        stream.seek(start)
        found = stream.read(position - start).rfind(b'\n')
        if found >= 0:
            return start + found + 1
        position = start
    return 0
