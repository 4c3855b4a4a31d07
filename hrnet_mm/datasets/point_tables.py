"""Reader of plain tables of keypoints: a line for each image or object, or for each point.

Wide: image, nose_x, nose_y, tail_x, tail_y. Long: image, point, x, y. Both may have columns for the object, its
class and the visibilities (nose_v; visible).
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ..annotations import Report, read_headers
from ..errors import UserError
from .content import Annotations
from .format import Files, Format, Parts, head
from .images import find_image
from .reading import Builder, checked
from .texts import number, read_rows
from .writing import Target, lose_details, objects_of

__all__ = ['POINT_TABLES']

_IMAGE = {'image', 'image_path', 'image_name', 'img', 'file', 'file_name', 'filename', 'path', 'frame'}
_POINT = {'point', 'keypoint', 'bodypart', 'landmark', 'point_name', 'name', 'label'}
_OBJECT = {'object', 'individual', 'animal', 'instance', 'id', 'track', 'object_id'}
_CLASS = {'class', 'category'}
_VISIBLE = {'visible', 'visibility', 'v'}
_ONLY = 'object'
_Objects = dict[tuple[str, str, str], tuple[str, dict[str, list[float]]]]
"""The place in the file, and the points, of each image, object and class."""
_EXPECTED = 'expected the columns image, point, x, y, or image and two for each point, such as nose_x and nose_y'


def _find(files: Files) -> list[Path]:
    return [file for file in files.of('.csv', '.tsv') if _columns(head(file).partition('\n')[0])]


def _columns(line: str) -> bool:
    """Whether the first line of a table is that of keypoints."""
    names = [name.strip().strip('"').lower() for name in re.split('[,;\t]', line)]
    pairs = {name[:-2] for name in names if name.endswith('_x')} & {name[:-2] for name in names if name.endswith('_y')}
    return bool(_IMAGE & set(names)) and (bool(pairs) or (bool(_POINT & set(names)) and {'x', 'y'} <= set(names)))


def _build(path: Path, files: Sequence[Path], report: Report) -> Builder:
    built = Builder(path, files[0], report)
    objects: _Objects = {}
    places: dict[str, str] = {}
    several = False
    for file in files:
        with report.collecting(path, 'table'):
            rows = read_rows(file)
            columns = {name.lower(): i for i, name in reversed(list(enumerate(rows[0][1])))}
            several |= bool(_OBJECT & columns.keys())
            for line, cells in rows[1:]:
                with report.collecting(file, 'line'):
                    _read_line(built, file, rows[0][1], line, cells, places, objects)
    ids: dict[str, int] = {}
    for (name, _, _), (where, _) in objects.items():
        if name not in ids:
            ids[name] = built.image(name, where)
    headers = dict(zip(ids, read_headers([path / name for name in ids]), strict=True))
    for (name, _, label), (where, points) in objects.items():
        header = headers[name]
        # The one animal of a video fills its frames, as in DeepLabCut's tables; its network needs no detector.
        box = None if several or isinstance(header, str) else [0, 0, header.width, header.height]
        labeled = {point: points.get(point, [0.0, 0.0, 0]) for point in built.points}
        if any(visible for _, _, visible in labeled.values()):
            built.add(ids[name], label, where, box=box, points=labeled)
    return built


def _read_line(
    built: Builder,
    file: Path,
    names: Sequence[str],
    line: int,
    cells: Sequence[str],
    places: dict[str, str],
    objects: _Objects,
) -> None:
    where = f'{file}: line {line}'
    if len(cells) != len(names):
        raise UserError(f'{where} has {len(cells)} cells, but line 1 has {len(names)}; {_EXPECTED}')
    row = dict(zip((name.lower() for name in names), cells, strict=True))

    def cell(columns: set[str]) -> str:
        return next((value for name, value in row.items() if name in columns), '')

    given = cell(_IMAGE)
    if given not in places:
        places[given] = find_image(built.path, file, given, line=line)
    key = (places[given], cell(_OBJECT), cell(_CLASS) or _ONLY)
    is_wide = not {'x', 'y'} <= row.keys()
    if is_wide and key in objects:
        raise UserError(
            f'{where}: {given} is labeled already in {objects[key][0]}; keep one line, or number the objects'
        )
    _, points = objects.setdefault(key, (where, {}))
    parts = [name[:-2] for name in names if name.lower().endswith('_x')] if is_wide else [cell(_POINT)]
    for part in parts:
        if is_wide:
            texts = [row.get(f'{part.lower()}_x', ''), row.get(f'{part.lower()}_y', '')]
            seen = row.get(f'{part.lower()}_v') or '2'
        else:
            texts, seen = [row['x'], row['y']], cell(_VISIBLE) or '2'
            if part in points:
                raise UserError(f'{where}: {part} of {given} is labeled already; keep one line')
        if part not in built.points:
            built.points.append(part)
        if not any(text and text.lower() != 'nan' for text in texts):
            points[part] = [0.0, 0.0, 0]
            continue
        visible = number(seen, where, f'the visibility of {part}')
        if visible not in (0, 1, 2):
            raise UserError(f'{where}: the visibility of {part} is {seen}; expected 0, 1 or 2')
        x, y = (number(text, where, f'{axis} of {part}') for text, axis in zip(texts, 'xy', strict=True))
        points[part] = [x, y, int(visible)] if visible else [0.0, 0.0, 0]


def _near(files: Files) -> tuple[int, str] | None:
    count = len(files.of('.csv'))
    return (count, f'its first line is of no known table; {_EXPECTED}') if count else None


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report), annotations)


def _write(parts: Parts, target: Target) -> None:
    every = [objects for _, _, objects in objects_of(parts)]
    several = max(map(len, every), default=0) > 1
    lose_details(target, parts, ['keypoints', 'visibility', 'parts', 'boxes'])
    categories = {one['id']: one for one in parts['train']['categories']}
    names = next((list(one['keypoints']) for one in categories.values() if one.get('keypoints')), [])
    columns = [f'{name}_{axis}' for name in names for axis in 'xyv']
    rows = [['image', *(['object'] if several else []), 'class', *columns]]
    for part, image, objects in objects_of(parts):
        place = target.copy(image, f'images/{part}').relative_to(target.folder).as_posix()
        whole = [0, 0, image['width'], image['height']]
        target.lose('images without an object', int(not objects))
        for k, one in enumerate(objects):
            points = one.get('keypoints') or []
            if not any(points[2::3]):
                target.lose('objects without keypoints')
                continue
            target.lose('boxes of objects', int(bool(one.get('bbox')) and (several or one['bbox'] != whole)))
            cells = [repr(value) for value in points]
            rows.append([place, *([str(k)] if several else []), str(categories[one['category_id']]['name']), *cells])
    target.write_rows('points.csv', rows)


POINT_TABLES = Format(
    name='csv',
    title='table of points',
    holds=frozenset({'keypoints'}),
    find=_find,
    kinds=lambda path, files: ['keypoints'],
    read=_read,
    write=_write,
    near=_near,
)
