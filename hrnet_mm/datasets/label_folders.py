"""Reader of folders of label images: images/ and masks/, VOC's, CamVid's and Cityscapes' forms.

By hand: Datumaro 1.13, which reads these forms, needs an older OpenCV, pandas and Pillow.
"""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..annotations import Report, listed
from ..errors import UserError
from .content import Annotations
from .format import IMAGE_SUFFIXES, Files, Format, Parts
from .labels import UNLABELED, is_colored, label_array, read_colors, read_labels
from .masks import draw_masks, pixels
from .reading import PARTS, Builder, checked
from .texts import number, read_rows, read_text
from .writing import Target, lose_details, objects_of

__all__ = ['LABEL_FOLDERS']

_IMAGES = {'images', 'image', 'imgs', 'img', 'img_dir', 'jpegimages', 'leftimg8bit', '701_stillsraw_full'}
_LABELS = {
    *('masks', 'mask', 'labels', 'label', 'gt', 'gts', 'gtfine', 'ann_dir', 'annotations', 'semantic', 'segmentation'),
    *('segmentations', 'segmentationclass', 'segmentationclasspng', 'label_images', 'labeledapproved_full'),
}
_LABEL_SUFFIXES = ('.png', '.bmp', '.tif', '.tiff', '.gif')
_NAME_ENDS = re.compile(
    r'(_leftImg8bit|_gtFine_label(Train)?Ids|_mask|_masks|_label|_labels|_gt|_seg|_img|_image|_L)$', re.IGNORECASE
)
_LISTS = (
    *('label_colors.txt', 'labelmap.txt', 'class_dict.csv', 'classes.csv'),
    *('classes.txt', 'class_names.txt', 'labels.txt', 'codes.txt'),
)
_BACKGROUND = {'background', '_background_', '__background__', 'bg'}
_VOID = {'void', 'unlabeled', 'unlabelled', 'ignore', 'ignored', '__ignore__', '_ignore_', 'unknown'}
_MOST_COLORS = 254
_CITYSCAPES = {
    **{7: 'road', 8: 'sidewalk', 11: 'building', 12: 'wall', 13: 'fence', 17: 'pole', 19: 'traffic light'},
    **{20: 'traffic sign', 21: 'vegetation', 22: 'terrain', 23: 'sky', 24: 'person', 25: 'rider', 26: 'car'},
    **{27: 'truck', 28: 'bus', 31: 'train', 32: 'motorcycle', 33: 'bicycle'},
}
"""The evaluated classes by the values of *_labelIds.png; they are 0 to 18 in *_labelTrainIds.png."""


def _find(files: Files) -> list[Path]:
    return list(_pairs(files).values())


def _pairs(files: Files) -> dict[Path, Path]:
    """The label image of each image that has one."""
    labels: dict[tuple[str, ...], Path] = {}
    for file in files.of(*_LABEL_SUFFIXES):
        key = _key(files.path, file, _LABELS)
        if key is not None and not re.search(r'_(color|instanceIds)$', file.stem):
            is_train_ids = file.stem.endswith('_labelTrainIds')
            if key not in labels or is_train_ids:  # made for a training, where both are there
                labels[key] = file
    found = {}
    for image in files.of(*IMAGE_SUFFIXES):
        key = _key(files.path, image, _IMAGES)
        if key in labels and labels[key] != image:
            found[image] = labels[key]
    return found


def _key(path: Path, file: Path, names: set[str]) -> tuple[str, ...] | None:
    """What an image and its label image share: their folders without the one that tells them apart, and their stem.

    None if no folder is one of `names`.
    """
    folders = list(file.relative_to(path).parts[:-1])
    for i, folder in enumerate(folders):
        low = folder.lower()
        if low in names:
            return (*folders[:i], *folders[i + 1 :], _NAME_ENDS.sub('', file.stem))
        # CamVid's train/ and trainannot/, LIP's train_images/ and train_segmentations/
        part, _, end = low.partition('_')
        if part in PARTS and end in names:
            return (*folders[:i], part, *folders[i + 1 :], _NAME_ENDS.sub('', file.stem))
        if names is _LABELS and low.endswith('annot') and low.removesuffix('annot') in PARTS:
            return (*folders[:i], low.removesuffix('annot'), *folders[i + 1 :], _NAME_ENDS.sub('', file.stem))
    if names is _IMAGES and folders and folders[-1].lower() in PARTS and (path / f'{folders[-1]}annot').is_dir():
        return (*folders, _NAME_ENDS.sub('', file.stem))
    return None


def _build(path: Path, files: Sequence[Path], report: Report) -> Builder:
    every = Files(path)
    pairs = _pairs(every)
    listed = next((path / name for name in _LISTS if (path / name).is_file()), None)
    names, keys = (None, {}) if listed is None else _read_list(listed)
    by_color = any(key.startswith('#') for key in keys)
    values = _values(list(pairs.values()), by_color)
    if values is None and listed is not None:
        raise UserError(
            f'{listed} lists no colors, but the label images have some; write that of each class, as in "cat:255,0,0::"'
        )
    if values is None:
        by_color, values = True, _values(list(pairs.values()), True)
    assert values is not None
    built = Builder(path, listed or path, report)
    cityscapes = {file.stem.rpartition('_')[2] for file in pairs.values()} & {'labelIds', 'labelTrainIds'}
    if names is None and cityscapes:
        names = list(_CITYSCAPES.values())
        trained = enumerate(names) if cityscapes == {'labelTrainIds'} else _CITYSCAPES.items()
        keys = {str(value): name for value, name in trained}
        keys |= {str(value): 'void' for value in range(256) if str(value) not in keys}
    if names is None:
        keys = _guess(values, by_color, path, report)
    built.label_values = _labels(built, keys)
    if not by_color:
        built.label_values.setdefault(str(UNLABELED), UNLABELED)
    for image, label in pairs.items():
        part = next((PARTS[one] for one in _key(path, image, _IMAGES) or () if one in PARTS), None)
        place = label.relative_to(path).as_posix()
        built.image(image.relative_to(path).as_posix(), str(image), part=part, label_image=place)
    _report_left_out(path, every, pairs, report)
    return built


def _read_list(file: Path) -> tuple[list[str], dict[str, str]]:
    """The names of a list of classes, and the name of each value or color.

    A line is a name; a name and a color (CVAT's name:r,g,b:: and tables); or a color and a name (CamVid's).
    """
    keys: dict[str, str] = {}
    if file.suffix == '.csv':
        rows = [(line, cells) for line, cells in read_rows(file) if not (line == 1 and not _is_color(cells[1:4]))]
    else:
        lines = enumerate(read_text(file).splitlines(), 1)
        rows = [(line, _cells(text)) for line, text in lines if text.strip() and not text.startswith('#')]
    if rows and rows[0][1][:1] == ['__ignore__']:
        rows = rows[1:]  # LabelMe's, which stands for -1
    if not rows:
        raise UserError(f'{file} lists no class; write the name of each into a line of its own')
    if len(rows) > _MOST_COLORS:
        raise UserError(f'{file} lists {len(rows)} classes; a label image can have {_MOST_COLORS}, so leave some out')
    for line, cells in rows:
        where = f'{file}: line {line}'
        if len(cells) >= 4 and _is_color(cells[1:4]):
            name, color = cells[0], cells[1:4]
        elif len(cells) >= 4 and _is_color(cells[:3]):
            name, color = ' '.join(cells[3:]), cells[:3]
        else:
            name, color = ' '.join(cells), []
        rgb = [int(number(text, where, 'a color')) for text in color]
        key = '#{:02x}{:02x}{:02x}'.format(*rgb) if rgb else str(len(keys))
        if key in keys:
            raise UserError(f'{where}: {name!r} and {keys[key]!r} have one color; give each a color of its own')
        keys[key] = name
    if any(key.startswith('#') for key in keys) and not all(key.startswith('#') for key in keys):
        raise UserError(f'{file}: some classes have a color and some none; give each one, as in "cat:255,0,0::"')
    return list(dict.fromkeys(keys.values())), keys


def _cells(text: str) -> list[str]:
    if ':' in text:
        name, _, rest = text.partition(':')
        return [name.strip(), *rest.partition(':')[0].split(',')]
    return text.split()


def _is_color(cells: Sequence[str]) -> bool:
    return len(cells) == 3 and all(cell.strip().isdigit() and int(cell) < 256 for cell in cells)


def _values(files: Sequence[Path], by_color: bool) -> set[int] | None:
    """The values or the colors of label images; None where some have colors and values are asked for.

    Raises:
        UserError: There are more than a label image can have classes.
    """

    def of_file(file: Path) -> set[int] | None:
        if not by_color and is_colored(file):
            return None
        found = set(np.unique(read_colors(file) if by_color else read_labels(file)).tolist())
        if len(found) > _MOST_COLORS:
            raise UserError(
                f'{file} has {len(found)} colors; a label image has one for each class, so save it without '
                'smoothing and not as JPEG'
            )
        return found

    every: set[int] = set()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(of_file, files):
            if found is None:
                return None
            every |= found
    return every


def _guess(values: set[int], by_color: bool, path: Path, report: Report) -> dict[str, str]:
    """The names of values or colors that no list names: 0 and black are background, 255 is unlabeled."""
    if by_color and 0 in values and len(values) == 2:
        return {'#000000': 'background', f'#{max(values):06x}': 'object'}
    if by_color:
        return {f'#{value:06x}': f'#{value:06x}' if value else 'background' for value in sorted(values)}
    if values <= {0, UNLABELED} or values <= {0, 1}:
        return {'0': 'background', str(max(max(values), 1)): 'object'}
    keys = {str(value): f'class {value}' if value else 'background' for value in sorted(values) if value != UNLABELED}
    shown = [name for name in keys.values() if name != 'background']
    report.warning(
        f'{path} names no classes; they are called {listed(shown)}; write their names into '
        f'{path / "classes.txt"}, a line for each value from 0'
    )
    return keys


def _labels(built: Builder, keys: Mapping[str, str]) -> dict[str, int]:
    """The label of each value or color; the classes go to the content."""
    found = {}
    for key, name in keys.items():
        low = name.strip().lower()
        if low in _VOID:
            found[key] = UNLABELED
        elif low in _BACKGROUND:
            found[key] = 0
        else:
            if name not in built.classes:
                built.classes.append(name)
            found[key] = built.classes.index(name) + 1
    return found


def _report_left_out(path: Path, files: Files, pairs: Mapping[Path, Path], report: Report) -> None:
    """Tell images without a label image, and label images without an image."""
    labels = set(pairs.values())
    images = [file for file in files.images if _key(path, file, _IMAGES) and file not in labels]
    if without := [file for file in images if file not in pairs]:
        report.warning(
            f'{path}: {len(without)} of {len(images)} images have no label image and are left out, first {without[0]}'
        )
    others = [file for file in files.of(*_LABEL_SUFFIXES) if _key(path, file, _LABELS) and file not in labels]
    others = [file for file in others if not re.search(r'_(color|instanceIds|labelIds)$', file.stem)]
    if others:
        report.warning(f'{path}: {len(others)} label images belong to no image and are left out, first {others[0]}')


def _near(files: Files) -> tuple[int, str] | None:
    folders = {one.name.lower() for one in files.path.glob('*/') if one.is_dir()}
    if folders & _LABELS and not folders & _IMAGES and files.images:
        return 1, 'no folder is called images'
    if folders & _IMAGES and not folders & _LABELS and len(files.images) > 1:
        return 1, 'no folder is called masks'
    if folders & _IMAGES and folders & _LABELS and files.images:
        return 1, 'no PNG, BMP, TIFF or GIF has the name of an image'
    return None


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report), annotations)


def _write(parts: Parts, target: Target) -> None:
    lose_details(target, parts, ['masks', 'parts', 'order'])
    for part, image, objects in objects_of(parts):
        content = parts[part]
        name = target.copy(image, f'images/{part}').stem
        if 'label_image' in image:
            labels = label_array(target.source, content, image)
        else:
            labels = draw_masks({**content, 'annotations': objects}, image)
            shapes = [one['segmentation'] for one in objects if one.get('segmentation')]
            target.lose('objects without a mask', len(objects) - len(shapes))
            covered = sum(int(pixels(shape, labels.shape).sum()) for shape in shapes)
            target.lose('pixels of objects below others', covered - int((labels > 0).sum()))
            target.lose('objects that are not told from others', len(shapes) - len(np.unique(labels[labels > 0])))
        target.write_image(f'masks/{part}/{name}.png', labels.astype(np.uint8))
    names = ['background', *(str(one['name']) for one in parts['train']['categories'])]
    target.write('classes.txt', ''.join(f'{name}\n' for name in names))


LABEL_FOLDERS = Format(
    name='masks',
    title='label images',
    holds=frozenset({'regions'}),
    find=_find,
    kinds=lambda path, files: ['regions'],
    read=_read,
    write=_write,
    near=_near,
    yields=('coco',),
)
