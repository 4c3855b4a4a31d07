"""Reader of one folder of images for each class."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..annotations import Report, listed
from ..annotations.clutter import without_clutter
from ..errors import UserError
from .content import Annotations, Content
from .format import IMAGE_SUFFIXES as _SUFFIXES
from .format import Files, Format, Parts
from .reading import sized
from .writing import Target

__all__ = ['CLASS_FOLDERS']

_PARTS = {'train', 'val', 'valid', 'test'}
_OF_OTHER_FORMATS = {'annotations', 'images', 'jpegimages', 'labeled-data', 'labels', 'masks', 'semantic', *_PARTS}
_NO_CLASSES = {
    *('annotations', 'images', 'labels', 'masks', 'semantic', 'data', 'dataset', 'datasets', 'example', 'examples'),
    *('sample', 'samples', 'demo', 'docs', 'figures', 'results', 'output', 'outputs', 'tmp', 'temp', 'backup'),
}


def _find(files: Files) -> list[Path]:
    """The folders of the parts; none if all that hold images have names of parts of other formats."""
    parts = list(_find_parts(files.path).values())
    names = {name.lower() for part in parts for name in _images_by_class(part)}
    return parts if names - _OF_OTHER_FORMATS else []


def _find_parts(path: Path) -> dict[str, Path]:
    """The folders of the parts 'train' and 'val', or one folder as 'train'; none where no folder holds images."""
    val = path / ('valid' if (path / 'valid').is_dir() else 'val')
    if _images_by_class(path / 'train'):
        return {'train': path / 'train', **({'val': val} if val.is_dir() else {})}
    return {'train': path} if _images_by_class(path) else {}


def _read_part(path: Path, folder: Path, report: Report) -> Content:
    """Read images whose class is the name of their folder.

    Args:
        path: The folder of the user.
        folder: The folder of the classes, `path` or that of a part.
        report: Takes the findings.

    Raises:
        UserError: There are fewer than two classes, or a file is not an image.
    """
    images_by_class = _images_by_class(folder)
    if parts := sorted(_PARTS & {name.lower() for name in images_by_class}):
        raise UserError(
            f'{folder}: {parts[0]} holds images without folders of classes; put them into {parts[0]}/CLASS/, or give '
            'the class another name'
        )
    if len(images_by_class) < 2:
        raise UserError(
            f'{folder} holds images of one class only ({", ".join(images_by_class)}); classes need a folder of images '
            'for each class'
        )
    _report_oddities(path, folder, images_by_class, report)
    labeled = [(file, label) for label, files in enumerate(images_by_class.values()) for file in files]
    images = [
        {'id': number, 'file_name': file.relative_to(path).as_posix(), 'category_id': label}
        for number, (file, label) in enumerate(labeled)
    ]
    return {
        'images': [image for image, _ in sized(path, images, report)],
        'annotations': [],
        'categories': [{'id': label, 'name': name} for label, name in enumerate(images_by_class)],
    }


def _report_oddities(path: Path, folder: Path, images_by_class: dict[str, list[Path]], report: Report) -> None:
    if folder != path and (path / 'valid').is_dir() and (path / 'val').is_dir():
        report.error(f'{path} has the folders val and valid; keep one for the validation part')
    for name in (name for name in images_by_class if name.lower() in _NO_CLASSES):
        report.warning(f'{folder}: the folder {name} is taken for a class; if it is none, move it out of {folder}')
    for name in images_by_class:
        inner = _images_by_class(folder / name)
        if len(inner) > 1:
            report.warning(
                f'{folder}: the class {name!r} holds {len(inner)} folders of images ({listed(list(inner))}), which are '
                f'taken for one class; if they are the classes, give {folder / name} in place of {folder}'
            )
    empty = [one.name for one in _folders(folder) if one.name not in images_by_class]
    parts = {'train', 'val', 'valid', 'test'} if folder == path else set()
    for name in sorted(set(empty) - parts):
        report.warning(
            f'{folder / name} holds no image ({", ".join(sorted(_SUFFIXES))}), so {name!r} is no class; add images, or '
            'remove the folder'
        )
    loose = [one for one in without_clutter(folder, sorted(folder.glob('*'))) if one.suffix.lower() in _SUFFIXES]
    if loose:
        report.warning(f'{loose[0]} is in no folder of a class and is left out; move it into one', folder, 'loose')
        for one in loose[1:]:
            report.warning(str(one), folder, 'loose')
    others = [
        file
        for name in images_by_class
        for file in without_clutter(folder, (folder / name).rglob('*'))
        if file.is_file() and file.suffix.lower() not in _SUFFIXES
    ]
    kinds = Counter(file.suffix or 'no suffix' for file in others)
    for kind, count in kinds.items():
        report.warning(
            f'{folder}: {count} file{"s"[: count != 1]} of {kind} in the folders of classes '
            f'{"are" if count != 1 else "is"} left out; convert images to one of {", ".join(sorted(_SUFFIXES))}'
        )
    folded: dict[str, str] = {}
    for name in images_by_class:
        other = folded.setdefault(name.strip().casefold(), name)
        if other != name:
            report.warning(
                f'{folder}: the classes {other!r} and {name!r} differ in case or spaces only; make them one if they '
                'mean the same'
            )


def _folders(folder: Path) -> list[Path]:
    return [one for one in without_clutter(folder, sorted(folder.glob('*'))) if one.is_dir()]


def _images_by_class(folder: Path) -> dict[str, list[Path]]:
    files = {
        one.name: [
            file
            for file in without_clutter(one, sorted(one.rglob('*')))
            if file.suffix.lower() in _SUFFIXES and file.is_file()
        ]
        for one in _folders(folder)
    }
    return {name: some for name, some in files.items() if some}


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return {part: _read_part(path, folder, report) for part, folder in _find_parts(path).items()}


def _write(parts: Parts, target: Target) -> None:
    for part, content in parts.items():
        names = {one['id']: str(one['name']) for one in content['categories']}
        target.lose('objects', len(content['annotations']))
        for image in content['images']:
            if 'category_id' in image:
                target.copy(image, f'{part}/{names[image["category_id"]]}')
            else:
                target.lose('images without a class')


CLASS_FOLDERS = Format(
    name='folders',
    title='folders of classes',
    holds=frozenset({'classes'}),
    find=_find,
    kinds=lambda path, files: ['classes'],
    read=_read,
    write=_write,
    yields=('*',),
)
