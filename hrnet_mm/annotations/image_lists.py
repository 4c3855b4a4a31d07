"""Checks of images with a class each, in a list of lines or in a folder for each class."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..images import read_headers
from .clutter import is_clutter
from .report import Report, listed

__all__ = ['Present', 'check_class_folders', 'check_images', 'check_list', 'read_names']

_MOST_HEADERS = 20_000
"""Images whose heads are read; of a larger set, images at equal distances, as nothing else depends on them."""
_IMAGES = {'.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp'}


class Present:
    """The files that exist, of which each folder is read once."""

    def __init__(self) -> None:
        self._folders: dict[str, set[str]] = {}

    def __contains__(self, file: Path) -> bool:
        folder = str(file.parent)
        if folder not in self._folders:
            self._folders[folder] = {one.name for one in file.parent.iterdir()} if file.parent.is_dir() else set()
        return file.name in self._folders[folder]


def check_images(files: Sequence[Path], source: Path, report: Report) -> None:
    """Check that files are images.

    Args:
        files: The files.
        source: What lists them.
        report: Takes the findings.
    """
    chosen = files[:: max(1, -(-len(files) // _MOST_HEADERS))]
    for file, header in zip(chosen, read_headers(chosen), strict=True):
        if isinstance(header, str):
            report.error(
                f'{file} is not an image that can be read ({header}); replace it, or take it out of {source}',
                source,
                'image',
            )


def read_names(file: Path, report: Report) -> list[str]:
    """Read a list with the name of an image on each line.

    Args:
        file: The list.
        report: Takes the findings.

    Returns:
        The names, each once, as they are written.
    """
    lines: dict[str, int] = {}
    for number, name in enumerate(file.read_text(encoding='utf-8', errors='replace').rstrip('\n').split('\n'), 1):
        if not name.strip():
            report.error(f'{file}: line {number} is empty; expected the name of an image', file, 'line')
        elif (first := lines.setdefault(name, number)) != number:
            report.warning(
                f'{file}: line {number} is the image {name!r} of line {first} again, so that it counts twice; remove '
                'one',
                file,
                'twice',
            )
    return list(lines)


def check_list(file: Path, folder: Path, names: Sequence[str], report: Report) -> Counter[str]:
    """Check a list with a line IMAGE LABEL for each image, and the images.

    Args:
        file: The list.
        folder: The folder of the images.
        names: The names of the classes; empty if they are not known.
        report: Takes the findings.

    Returns:
        The number of images of each class.
    """
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    lines: dict[str, tuple[int, int]] = {}
    present, files = Present(), []
    text = file.read_text(encoding='utf-8', errors='replace')
    for number, line in enumerate(text.rstrip('\n').split('\n'), 1):
        name, _, label = line.strip().rpartition(' ')
        where = f'{file}: line {number}'
        if not name or not label.lstrip('+-').isdigit():
            report.error(f'{where} is {line[:90]!r}; expected an image and the number of its class', file, 'line')
            continue
        value = int(label)
        if value < 0 or (names and value >= len(names)):
            classes = f'there are {len(names)} classes, 0 to {len(names) - 1}' if names else 'labels begin with 0'
            report.error(f'{where} has the label {value}, but {classes}; correct it', file, 'label')
        elif names:
            counts[names[value]] += 1
        first, other = lines.setdefault(name, (number, value))
        if first != number:
            say = report.warning if other == value else report.error
            why = 'again, so that it counts twice; remove one' if other == value else f'with the label {other} there'
            say(f'{where} is the image {name!r} of line {first} {why}', file, 'twice', other == value)
        elif (image := folder / name) in present:
            files.append(image)
        else:
            report.error(
                f'{image} does not exist, but {file} lists it; correct data_prefix, or the file', file, 'missing'
            )
    check_images(files, file, report)
    return counts


def check_class_folders(
    folder: Path, names: Sequence[str] | None, extensions: Iterable[str], report: Report
) -> tuple[tuple[str, ...], Counter[str]]:
    """Check the folders of images, each of which a library takes for a class in the order of their names.

    Args:
        folder: The folder that holds them.
        names: The names that the config gives to the classes; None if it gives none.
        extensions: The ends of names of images.
        report: Takes the findings.

    Returns:
        The names of the folders, and the number of images in each.
    """
    folders = sorted(one for one in folder.iterdir() if one.is_dir())
    found = tuple(one.name for one in folders)
    counts: Counter[str] = Counter(dict.fromkeys(found, 0))
    for name in filter(is_clutter, found):
        report.error(
            f'{folder / name} would be a class, though a program made it, and the classes after it get other labels; '
            'remove it'
        )
    if names is not None and len(names) != len(found):
        report.error(
            f'{folder} has {len(found)} folders, {listed(found)}, but the config has {len(names)} classes, '
            f'{listed(list(names))}; each folder is a class'
        )
    elif names is not None and tuple(names) != found and set(names) == set(found):
        report.error(
            f'{folder}: the labels are in the order of the folders, {listed(found)}, but the classes of the config are '
            f'{listed(list(names))}, so that the labels get the names of others; use the order of the folders'
        )
    ends = tuple(end.lower() for end in extensions)
    images, others = [], Counter[str]()
    for one in folders:
        for place, _, files in os.walk(one):
            for name in sorted(files):
                if name.startswith('.'):  # as the library does
                    continue
                if name.lower().endswith(ends):
                    images.append(Path(place, name))
                    counts[one.name] += 1
                elif (suffix := Path(name).suffix).lower() in _IMAGES:
                    others[suffix] += 1
    for suffix, count in others.items():
        report.warning(
            f'{folder}: {count} file{"s"[: count != 1]} of {suffix} in the folders of classes '
            f'{"are" if count != 1 else "is"} left out; convert images to one of {", ".join(sorted(ends))}'
        )
    loose = [one for one in sorted(folder.iterdir()) if one.suffix.lower() in _IMAGES and one.is_file()]
    for one in loose:
        report.warning(f'{one} is in no folder of a class and is left out; move it into one', folder, 'loose')
    if not images:
        report.error(f'{folder} has no image in a folder of its class; the ends may be {", ".join(sorted(ends))}')
    check_images(images, folder, report)
    return found, counts
