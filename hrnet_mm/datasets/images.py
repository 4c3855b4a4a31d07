"""The images that a file of labels names, wherever another computer had them."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..errors import UserError
from .format import Files

__all__ = ['find_image', 'images_by_stem', 'own_image']


def find_image(path: Path, file: Path, name: str, folders: Sequence[Path] = (), line: int | None = None) -> str:
    """The path of an image below a folder; of an absolute one, as other computers write it, the end is looked for.

    Args:
        path: The folder.
        file: The file that names the image.
        name: Its name there.
        folders: Where it may be, besides the folder, its images/ and the folder of the file.
        line: The line of the file that names it.

    Raises:
        UserError: It is nowhere, outside of the folder, or one of several that differ.
    """
    folders = (path / 'images', path, file.parent, *folders)
    for spelled in dict.fromkeys((name, *(unicodedata.normalize(form, name) for form in ('NFC', 'NFD')))):
        for tail in _tails(spelled):
            try:
                places = dict.fromkeys(Path(os.path.normpath(folder / tail)) for folder in folders)
                found = [place for place in places if place.is_file()]
            except (OSError, ValueError):  # too long, or with a null character
                found = []
            if any(not place.is_relative_to(os.path.normpath(path)) for place in found[:1]):
                raise UserError(
                    f'{file}: image {name!r} leads out of {path} to {found[0]}; copy it into {folders[0]} and name it '
                    'from there'
                )
            if len({place.stat().st_size for place in found}) > 1:
                raise UserError(
                    f'{file}: image {name!r} may be {found[0]} or {found[1]}, which differ; name it from {path}'
                )
            if found:
                return found[0].relative_to(os.path.normpath(path)).as_posix()
    lists = file.name if line is None else f'{file.name}: line {line}'
    raise UserError(f'{folders[0] / name} does not exist, but {lists} lists it; add it, or take it out of the file')


def images_by_stem(path: Path) -> dict[str, list[Path]]:
    """The images of a folder by their names without suffixes."""
    found: dict[str, list[Path]] = defaultdict(list)
    for image in Files(path).images:
        found[image.stem].append(image)
    return found


def own_image(path: Path, file: Path, name: str, images: dict[str, list[Path]]) -> str:
    """The path below `path` of the image that a file labels: that of the same stem, or of the name in the file.

    Raises:
        UserError: There is none, or there are several.
    """
    same = images.get(file.stem, [])
    beside = [one for one in same if one.parent == file.parent]
    siblings = [one for one in same if one.parent.name == file.parent.name]  # images/train/a.png, labels/train/a.xml
    for some in (beside, same if len(same) == 1 else [], siblings):
        if len(some) == 1:
            return some[0].relative_to(path).as_posix()
    folders = (path / 'JPEGImages', file.parent.parent / 'JPEGImages', file.parent.parent / 'images')
    return find_image(path, file, name or file.with_suffix('.jpg').name, folders)


def _tails(name: str) -> list[str]:
    """The names to look for: itself, with slashes for backslashes, and the ends of an absolute path, longest first."""
    slashed = name.replace('\\', '/')
    if not slashed.startswith('/') and not re.match(r'[A-Za-z]:/', slashed):
        return [name, slashed] if slashed != name else [name]
    parts = PurePosixPath(slashed).parts[1:]
    return ['/'.join(parts[start:]) for start in range(len(parts))]
