"""Reader of Open Images' tables of boxes, in shares of the image."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..annotations import Report, read_headers
from ..errors import UserError
from .content import Annotations
from .format import Files, Format, Parts, head
from .images import images_by_stem
from .reading import PARTS, Builder, checked
from .texts import numbers, read_rows
from .writing import Target, lose_details, objects_of

__all__ = ['OPEN_IMAGES']

_SIDES = ('XMin', 'YMin', 'XMax', 'YMax')


def _find(files: Files) -> list[Path]:
    return [file for file in files.of('.csv') if {'ImageID', 'LabelName'} <= set(_columns(file))]


def _columns(file: Path) -> list[str]:
    return [cell.strip() for cell in head(file).partition('\n')[0].split(',')]


def _build(path: Path, files: Sequence[Path], report: Report) -> Builder:
    names: dict[str, str] = {}
    for file in Files(path).of('.csv'):
        if 'class-descriptions' in file.name:
            names |= {cells[0]: cells[1] for _, cells in read_rows(file) if len(cells) > 1 and cells[0] != 'LabelName'}
    built = Builder(path, files[0], report, list(names.values()))
    images = images_by_stem(path)
    for file in files:
        part = next((PARTS[word] for word in re.split(r'\W+|_', file.stem.lower()) if word in PARTS), None)
        with report.collecting(path, 'table'):
            _read_table(built, file, part, images, names)
    return built


def _read_table(
    built: Builder, file: Path, part: str | None, images: dict[str, list[Path]], names: dict[str, str]
) -> None:
    (_, columns), *rows = read_rows(file)
    place = {name: i for i, name in enumerate(columns)}
    if missing := [name for name in _SIDES if name not in place]:
        raise UserError(f'{file}: line 1 has no column {missing[0]}; expected ImageID, LabelName, {", ".join(_SIDES)}')
    numbers_of: dict[str, tuple[int, int, int]] = {}
    stems = sorted({cells[place['ImageID']] for _, cells in rows if len(cells) == len(columns)})
    known = {stem: images[stem][0] for stem in stems if len(images.get(stem, ())) == 1}
    headers = dict(zip(known, read_headers(list(known.values())), strict=True))
    for stem, image in known.items():
        header = headers[stem]
        if isinstance(header, str):
            raise UserError(f'{image} is not an image that can be read ({header}); replace it')
        name = image.relative_to(built.path).as_posix()
        number = built.image(name, str(file), part=part)
        numbers_of[stem] = number, header.width, header.height
    for line, cells in rows:
        where = f'{file}: line {line}'
        with built.report.collecting(file, 'line'):
            if len(cells) != len(columns):
                raise UserError(f'{where} has {len(cells)} cells; line 1 has {len(columns)}')
            stem = cells[place['ImageID']]
            if stem not in numbers_of:
                found = len(images.get(stem, ()))
                raise UserError(f'{where}: the image {stem!r} is there {found} times in {built.path}; it must be once')
            image_number, width, height = numbers_of[stem]
            left, top, right, bottom = numbers([cells[place[side]] for side in _SIDES], where, 'a side')
            if max(left, top, right, bottom) > 1.5:
                raise UserError(f'{where} has the side {max(left, top, right, bottom):g}; expected shares from 0 to 1')
            label = cells[place['LabelName']]
            crowd = cells[place['IsGroupOf']] == '1' if 'IsGroupOf' in place else False
            box = [left * width, top * height, (right - left) * width, (bottom - top) * height]
            built.add(image_number, names.get(label, label), where, box=box, crowd=crowd)


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report), annotations)


def _write(parts: Parts, target: Target) -> None:
    lose_details(target, parts, ['boxes', 'crowds', 'parts', 'order'])
    names = {one['id']: str(one['name']) for one in parts['train']['categories']}
    codes = {number: f'/m/{number:05d}' for number in names}
    files = {'train': 'train-annotations-bbox.csv', 'val': 'validation-annotations-bbox.csv'}
    columns = ['ImageID', 'Source', 'LabelName', 'Confidence', 'XMin', 'XMax', 'YMin', 'YMax', 'IsGroupOf']
    rows: dict[str, list[list[str]]] = {part: [columns] for part in parts}
    for part, image, objects in objects_of(parts):
        stem = target.copy(image, part).stem
        width, height = image['width'], image['height']
        target.lose('images without an object', int(not objects))
        for one in objects:
            if not one.get('bbox'):
                target.lose('objects without a box')
                continue
            x, y, w, h = one['bbox']
            sides = [x / width, (x + w) / width, y / height, (y + h) / height]
            crowd = str(int(bool(one.get('iscrowd'))))
            rows[part].append([stem, 'xclick', codes[one['category_id']], '1', *map(repr, sides), crowd])
    for part, some in rows.items():
        target.write_rows(files[part], some)
    target.write_rows('class-descriptions-boxable.csv', [[codes[number], name] for number, name in names.items()])


OPEN_IMAGES = Format(
    name='open-images',
    title='Open Images',
    holds=frozenset({'boxes'}),
    find=_find,
    kinds=lambda path, files: ['boxes'],
    read=_read,
    write=_write,
)
