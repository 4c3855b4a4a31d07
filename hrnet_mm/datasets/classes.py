"""Reader of one folder of images for each class."""

from pathlib import Path

from ..errors import UserError
from .coco import with_size
from .content import FORMATS, Content

_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'}


def find_class_folders(path: Path) -> dict[str, Path]:
    """The folders of the parts 'train' and 'val', or one folder as 'train'; none where no folder holds images."""
    val = path / ('valid' if (path / 'valid').is_dir() else 'val')
    if _images_by_class(path / 'train'):
        return {'train': path / 'train', **({'val': val} if val.is_dir() else {})}
    return {'train': path} if _images_by_class(path) else {}


def read_classes(path: Path, folder: Path) -> Content:
    """Read images whose class is the name of their folder.

    Raises:
        UserError: There are fewer than two classes, or a file is not an image.
    """
    images_by_class = _images_by_class(folder)
    if len(images_by_class) < 2:
        raise UserError(f'{folder} holds images of one class only ({", ".join(images_by_class)}); {FORMATS}')
    labeled = [(file, label) for label, files in enumerate(images_by_class.values()) for file in files]
    return {
        'images': [
            with_size(path, {'id': number, 'file_name': file.relative_to(path).as_posix(), 'category_id': label})
            for number, (file, label) in enumerate(labeled)
        ],
        'annotations': [],
        'categories': [{'id': label, 'name': name} for label, name in enumerate(images_by_class)],
    }


def _images_by_class(folder: Path) -> dict[str, list[Path]]:
    folders = sorted(one for one in folder.glob('*') if one.is_dir())
    files = {one.name: [file for file in sorted(one.rglob('*')) if file.suffix.lower() in _SUFFIXES] for one in folders}
    return {name: some for name, some in files.items() if some}
