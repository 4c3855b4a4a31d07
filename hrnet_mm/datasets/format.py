"""The description of an annotation format, and the files of a folder among which formats are looked for."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..annotations import Report
from ..annotations.clutter import is_clutter
from ..errors import UserError
from .content import Annotations, Content

__all__ = ['IMAGE_SUFFIXES', 'Files', 'Format', 'Parts', 'head']

IMAGE_SUFFIXES = frozenset({'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'})

Parts = Mapping[str, Content]
"""The content of 'train' and of 'val', or of 'train' alone where a folder has no validation part."""

_LABEL_SUFFIXES = frozenset({'.csv', '.h5', '.json', '.nwb', '.pts', '.slp', '.txt', '.xml', '.yaml', '.yml'})
_HEAD = 65536
_LOOKED_AT = 20  # files of a folder, of which one must have the sign of a format
_KINDS = {'.jpg': 'JPEG', '.jpeg': 'JPEG', '.tif': 'TIFF', '.tiff': 'TIFF'}
_SHOWN_KINDS = 5


class Files:
    """The files below a folder, without those of systems and editors; the folder is walked once.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def by_suffix(self) -> Mapping[str, Sequence[Path]]:
        """The files by suffixes in small letters; those of a folder in the order of their names.

        Raises:
            UserError: What has the name of a file with labels is a folder, a pipe, a device, or a link to nothing.
        """
        found: dict[str, list[Path]] = {}
        walked: set[str] = set()
        for folder, folders, names in os.walk(self.path, followlinks=True):
            real = os.path.realpath(folder)
            if real in walked:  # a link that leads back
                folders.clear()
                continue
            walked.add(real)
            folders[:] = sorted(name for name in folders if not is_clutter(name))
            for name in sorted([*names, *(one for one in folders if _suffix(one) in _LABEL_SUFFIXES)]):
                if is_clutter(name):
                    continue
                suffix = _suffix(name)
                if suffix in _LABEL_SUFFIXES and not os.path.isfile(os.path.join(folder, name)):
                    raise UserError(f'{Path(folder, name)} is not a file, as its name says; remove it')
                found.setdefault(suffix, []).append(Path(folder, name))
        return found

    def of(self, *suffixes: str) -> list[Path]:
        """The files of some suffixes, in the order of their names."""
        found = [self.by_suffix[suffix] for suffix in suffixes if suffix in self.by_suffix]
        return list(found[0]) if len(found) == 1 else sorted((file for files in found for file in files), key=str)

    def marked(self, suffix: str, is_mark: Callable[[str], bool]) -> list[Path]:
        """The files of a suffix by their beginnings, with those beside them, whose beginnings may be damaged."""
        beside: dict[Path, list[Path]] = {}
        for file in self.of(suffix):
            beside.setdefault(file.parent, []).append(file)
        marked = [files for files in beside.values() if any(is_mark(head(file)) for file in files[:_LOOKED_AT])]
        return [file for files in marked for file in files]

    @property
    def images(self) -> list[Path]:
        """The files with the suffix of an image."""
        return self.of(*IMAGE_SUFFIXES)

    def __str__(self) -> str:
        """The numbers of files by kinds: '120 JPEG and 120 TXT files'."""
        counts: Counter[str] = Counter()
        for suffix, files in self.by_suffix.items():
            counts[_KINDS.get(suffix, suffix.lstrip('.').upper() or 'unnamed')] += len(files)
        shown = [f'{count} {kind}' for kind, count in counts.most_common(_SHOWN_KINDS)]
        if not shown:
            return 'no files'
        total = sum(counts.values())
        named = sum(count for _, count in counts.most_common(_SHOWN_KINDS))
        shown += [f'{total - named} other'] if total > named else []
        return (
            ' and '.join([', '.join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown) + f' file{"s"[: total != 1]}'
        )


@dataclass(frozen=True)
class Format:
    """An annotation format.

    Attributes:
        name: The value of --format and --to.
        title: Its name in sentences.
        holds: The kinds of annotations that it can hold.
        find: From the files of a folder, those with labels; none if the folder is of another format.
        kinds: From the folder and those files, the kinds that they hold, the one that tells most first.
        read: From the folder, those files and the kind of annotations that is needed (None for all there are), the
            checked content; the report takes the findings.
        write: Writes content into a `writing.Target`, which counts what the format cannot hold; None if it is read
            only.
        unpack: Writes the images that the files themselves or videos have, with the labels, into a folder of the same
            format, and returns whether there were any; None if labels are always of images.
        near: From the files of a folder that fits no format, the number of files that hint at this one and what is
            missing; None if nothing does.
        yields: The formats beside which it is left alone; '*' for all.
    """

    name: str
    title: str
    holds: frozenset[Annotations]
    find: Callable[[Files], list[Path]]
    kinds: Callable[[Path, Sequence[Path]], list[Annotations]]
    read: Callable[[Path, Sequence[Path], Annotations | None, Report], Parts]
    write: Callable[[Parts, Any], None] | None = None
    unpack: Callable[[Path, Sequence[Path], Path], bool] | None = None
    near: Callable[[Files], tuple[int, str] | None] = lambda files: None
    yields: tuple[str, ...] = ()


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def head(file: Path) -> str:
    """The beginning of a text file, by which formats are told apart; other bytes become question marks."""
    if not file.is_file():  # a pipe would be waited for
        return ''
    try:
        with file.open('rb') as opened:
            data = opened.read(_HEAD)
    except OSError:
        return ''
    encoding = 'utf-16' if data[:2] in (b'\xff\xfe', b'\xfe\xff') else 'utf-8-sig'
    return data.decode(encoding, errors='replace')
