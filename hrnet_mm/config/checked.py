"""Record, in the user's cache folder, of the data that were checked without a mistake, so that they are read once."""

import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..annotations import Finding
from ..cache import cache_folder
from ..registry import scope_of
from ..weights.io import CheckpointError, written_aside
from .files import innermost_datasets

__all__ = ['checked_once']

_VERSION = 2
"""Number of the checks' version; whoever adds a check increases it, so that everything is read again."""

_PATIENCE = 3.0
"""Seconds after which a check says what it is doing."""

_MOST_FILES = 20_000
"""Files below a folder, beyond which it takes long to ask each for its size and time."""

_MOST_RECORDS = 200


def checked_once(
    config: Mapping[str, Any], loaders: Iterable[str], check: Callable[[], list[Finding]], again: bool
) -> list[Finding]:
    """Return what a check of a config's data found, and do not check the same data twice.

    The data are the same if the settings that name and read them are, and the names, sizes and times of their files. Of
    a folder with more than 20,000 files, only the names are asked for, and a file that was written anew in its place is
    not noticed. A result with a mistake is not kept, nor is one of images without a folder.

    Args:
        config: The config.
        loaders: The names of the data loaders whose data are checked.
        check: The check.
        again: Whether to check what was checked before.
    """
    loaders = list(loaders)
    sections = [
        {name: config.get(name) for name in (loader, loader.replace('dataloader', 'evaluator'))} for loader in loaders
    ]
    paths = list(dict.fromkeys(_paths(config, loaders)))
    if (
        Path() in paths
    ):  # the images of a list are named one by one, and the working folder may hold anything beside them
        return check()
    digest = hashlib.sha256()
    digest.update(json.dumps([_VERSION, scope_of(config), config.get('model'), sections], default=str).encode())
    count = sum(_add(path.absolute(), digest) for path in paths)
    record = cache_folder() / 'checked' / f'{digest.hexdigest()[:32]}.json'
    if not again and (known := _read(record)) is not None:
        return known
    with _announced(f'reading the headers of {count} images and labels once'):
        found = check()
    if not any(finding.level == 'error' for finding in found):
        _write(record, found)
    return found


def _paths(config: Mapping[str, Any], loaders: Iterable[str]) -> Iterator[Path]:
    """Yield the files and folders that data sets and evaluators name."""
    for loader in loaders:
        dataset = (config.get(loader) or {}).get('dataset')
        for one in innermost_datasets(dataset) if dataset else ():
            root = Path(os.path.expanduser(str(one.get('data_root') or '')))
            prefix = one.get('data_prefix') or {}
            names = list(prefix.values()) if isinstance(prefix, Mapping) else [prefix]
            names = [name for name in names if isinstance(name, str)] or ['']
            if (split := one.get('split')) and not any(names):
                names = [split, f'meta/{split}.txt']
            if isinstance(one.get('ann_file'), str) and one['ann_file']:
                names.append(one['ann_file'])
            yield from (root / name for name in names if '://' not in f'{root}{name}')
            if isinstance(one.get('bbox_file'), str):
                yield Path(one['bbox_file'])
        evaluator = config.get(loader.replace('dataloader', 'evaluator')) or ()
        for one in [evaluator] if isinstance(evaluator, Mapping) else evaluator:
            if isinstance(one, Mapping) and isinstance(one.get('ann_file'), str):
                yield Path(one['ann_file'])


def _add(path: Path, digest: Any) -> int:
    """Add the size and time of a file, or the names in all folders below one; return the number of files.

    Of a folder with a moderate number of files, sizes and times are added too.
    """
    _add_file(path, digest)
    places = [(place, sorted(files)) for place, _, files in os.walk(path)]
    count = sum(len(files) for _, files in places)
    for place, files in places:
        _add_file(place, digest)
        digest.update('\0'.join(files).encode(errors='surrogateescape'))
        for name in files if count <= _MOST_FILES else ():
            _add_file(os.path.join(place, name), digest)
    return count


def _add_file(path: str | Path, digest: Any) -> None:
    status = None
    with suppress(OSError):  # a link to nothing
        status = os.stat(path)
    digest.update(f'\0{path}\0'.encode(errors='surrogateescape'))
    if status is not None:
        digest.update(f'{status.st_size} {status.st_mtime_ns}'.encode())


def _read(record: Path) -> list[Finding] | None:
    try:
        sentences = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(sentences, list) or not all(isinstance(sentence, str) for sentence in sentences):
        return None
    return [Finding('warning', sentence) for sentence in sentences]


def _write(record: Path, found: Iterable[Finding]) -> None:
    """Keep the warnings of a check; where nothing can be written, the next start checks again."""
    with suppress(OSError, CheckpointError):
        record.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(record) as partial:
            partial.write_text(json.dumps([str(finding) for finding in found]), encoding='utf-8')
        records = sorted(record.parent.glob('*.json'), key=lambda one: one.stat().st_mtime_ns)
        for old in records[:-_MOST_RECORDS]:
            old.unlink(missing_ok=True)


@contextmanager
def _announced(sentence: str) -> Iterator[None]:
    """Print a sentence if a `with` block takes longer than a person waits without one."""
    timer = threading.Timer(_PATIENCE, print, [sentence], {'file': sys.stderr, 'flush': True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
