"""Reader of the tables of DeepLabCut and of lightning-pose, of one animal or of several.

By hand: sleap-io 0.9, which reads the .csv too, brings 407 MB and names neither file nor line of a wrong cell.
"""

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..annotations import Report
from ..annotations.clutter import without_clutter
from ..errors import UserError
from .content import Annotations, Content
from .deeplabcut_h5 import read_h5
from .format import Files, Format, Parts, head
from .reading import sized
from .writing import Target, lose_details, objects_of

__all__ = ['DEEPLABCUT']

_LINES = ('scorer', 'individuals', 'bodyparts', 'coords')
_HEADER = 'expected first lines that begin with scorer, (individuals,) bodyparts and coords'


def _find(files: Files) -> list[Path]:
    """The tables CollectedData_*.csv (or .h5 alone) of a project, of its labeled-data/, or of one video's folder in it.

    Without them, those whose first line begins with scorer: lightning-pose calls its only table as it likes.
    """
    if (files.path / 'CollectedData.csv').is_file():
        return [files.path / 'CollectedData.csv']  # lightning-pose's; CollectedData_new.csv is for measuring later
    patterns = ('', '*/', 'labeled-data/*/')
    found = (sorted(files.path.glob(f'{pattern}CollectedData_*.csv')) for pattern in patterns)
    tables = [file for some in found for file in without_clutter(files.path, some)]
    tables += [file for file in files.of('.h5') if _is_alone(file)]
    return tables or [file for file in files.of('.csv') if re.match('"?scorer"?[,;]', head(file))]


def _is_alone(file: Path) -> bool:
    """Whether a .h5 has labels that no .csv beside it has; DeepLabCut writes both, and the .csv is what people edit."""
    return file.name.startswith('CollectedData_') and not file.with_suffix('.csv').is_file()


def _read_tables(path: Path, files: Sequence[Path], report: Report) -> Content:
    """Read images with one annotation for each animal; that of an only animal has the whole image as its box.

    Body parts of which a project with several animals has one for all ('single') are left out.

    Raises:
        UserError: A file is wrong; the sentence names the line.
    """
    rows: list[tuple[dict[str, Any], str, list[list[float]]]] = []
    names: tuple[str, ...] = ()
    for file in files:
        lines = read_h5(file) if file.suffix == '.h5' else _read_rows(file)
        first, columns, animals, parts = _read_header(file, lines)
        if names and parts != names:
            raise UserError(f'{file} has the body parts {", ".join(parts)}, but {files[0]} has {", ".join(names)}')
        names = parts
        for line, row in enumerate(lines[first:], first + 1):
            if any(cell.strip() for cell in row):
                image = {'id': len(rows) + 1, 'file_name': _find_image(path, file, line, row[:columns])}
                of_animals = [_read_points(file, line, row, columns_of, parts) for columns_of in animals]
                rows.append((image, f'{file}: line {line}', of_animals))
    _report_repeated(rows, report)
    headers = sized(path, [image for image, _, _ in rows], report)
    report.stop()
    annotations: list[dict[str, Any]] = []
    for (image, header), (_, where, animals_points) in zip(headers, rows, strict=True):
        if header.orientation > 1:
            report.warning(
                f'{where}: {image["file_name"]} is turned by its EXIF orientation {header.orientation} when it is '
                'read, and nothing tells whether its labels are for the turned image; look at them in a picture, or '
                'store it without one',
                path,
                'turned',
            )
        for points in animals_points:
            seen = [(x, y) for x, y, visible in zip(points[::3], points[1::3], points[2::3], strict=True) if visible]
            if not seen:
                continue
            outside = sum(not (-1 <= x <= header.width and -1 <= y <= header.height) for x, y in seen)
            if outside == len(seen):
                report.error(
                    f'{where} has all of its points outside of its image of {header.width} x {header.height} pixels; '
                    'label the image that is there',
                    path,
                    'all outside',
                )
            elif outside:
                report.warning(
                    f'{where} has {outside} point{"s"[: outside != 1]} outside of its image of {header.width} x '
                    f'{header.height} pixels; correct or empty the cells',
                    path,
                    'outside',
                )
            one = {'id': len(annotations) + 1, 'image_id': image['id'], 'category_id': 1, 'keypoints': points}
            if len(animals_points) == 1:
                one['bbox'] = [0, 0, image['width'], image['height']]
            annotations.append(one)
    report.stop()
    if not annotations:
        raise UserError(f'{files[0]}: no body part is labeled in any image')
    images = [image for image, _ in headers]
    categories = [{'id': 1, 'name': 'animal', 'keypoints': list(names), 'skeleton': []}]
    return {'images': images, 'annotations': annotations, 'categories': categories}


def _read_rows(file: Path) -> list[list[str]]:
    try:
        with file.open(newline='', encoding='utf-8-sig') as opened:
            return list(csv.reader(opened))
    except (ValueError, csv.Error) as error:
        raise UserError(f'{file} is not a table in UTF-8 ({error}); {_HEADER}') from error


def _report_repeated(rows: Sequence[tuple[dict[str, Any], str, Any]], report: Report) -> None:
    first: dict[str, str] = {}
    for image, where, _ in rows:
        other = first.setdefault(image['file_name'], where)
        if other != where:
            report.error(f'{where}: {image["file_name"]} is labeled already in {other}; keep one line', 'repeated')


def _read_header(file: Path, rows: list[list[str]]) -> tuple[int, int, list[dict[str, int]], tuple[str, ...]]:
    """Number of header lines; columns of the image's name; of each animal, the column of each part's x; the parts."""
    header = {row[0].strip(): row for row in rows[:4] if row and row[0].strip() in _LINES}
    if not set(_LINES) - {'individuals'} <= set(header):
        raise UserError(f'{file}: lines 1 to 4 are not a header of DeepLabCut; {_HEADER}')
    coords, parts = header['coords'], header['bodyparts']
    individuals = header.get('individuals', [''] * len(coords))
    if not len(coords) == len(parts) == len(individuals):
        raise UserError(f'{file}: the lines of the header have different numbers of cells; {_HEADER}')
    animals: dict[str, dict[str, int]] = {}
    for column, coord in enumerate(coords):
        if coord.strip() == 'x':
            of_animal = animals.setdefault(individuals[column], {})
            if parts[column] in of_animal:
                raise UserError(
                    f'{file}: columns {of_animal[parts[column]] + 1} and {column + 1} are both for x of '
                    f'{parts[column]}; name each body part once'
                )
            of_animal[parts[column]] = column
    if not animals:
        raise UserError(f'{file}: the line that begins with coords has no x; {_HEADER}')
    if len(animals) > 1:
        animals.pop('single', None)
    names = tuple(dict.fromkeys(name for columns in animals.values() for name in columns))
    return len(header), coords.index('x'), list(animals.values()), names


def _read_points(file: Path, line: int, row: list[str], columns: dict[str, int], parts: Sequence[str]) -> list[float]:
    """COCO's x, y and visibility of each part."""
    points: list[float] = []
    for part in parts:
        column = columns.get(part)
        try:
            x, y = (
                (math.nan, math.nan) if column is None else (float(cell or 'nan') for cell in row[column : column + 2])
            )
        except ValueError as error:
            raise UserError(f'{file}: line {line}: {part} needs two numbers or nothing, got {_short(row)}') from error
        if math.isinf(x) or math.isinf(y):
            raise UserError(f'{file}: line {line}: {part} needs two finite numbers or nothing, got {_short(row)}')
        points += [0.0, 0.0, 0] if math.isnan(x) or math.isnan(y) else [x, y, 2]
    return points


def _short(row: Sequence[str]) -> str:
    text = str(row)
    return text if len(text) < 200 else f'{text[:200]}...'


def _find_image(path: Path, file: Path, line: int, cells: Sequence[str]) -> str:
    """The path of an image, below `path` if it can be."""
    name = Path(*[part for cell in cells for part in cell.replace('\\', '/').split('/')])
    for folder in (path, *file.parents[:3]):
        for candidate in (folder / name, folder / name.name, folder / 'images' / name.name):
            if candidate.is_file():
                return candidate.relative_to(path).as_posix() if path in candidate.parents else str(candidate.resolve())
    raise UserError(f'{file}: line {line}: {name} does not exist in {file.parent} or where the name leads')


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    if files[0].name == 'CollectedData.csv':
        for other in sorted(path.glob('CollectedData_*.csv')):
            report.warning(f'{other} is left out, because lightning-pose trains on CollectedData.csv alone')
    return {'train': _read_tables(path, files, report)}


def _write(parts: Parts, target: Target) -> None:
    """Write labeled-data/images/CollectedData_labels.csv, as DeepLabCut and lightning-pose read it."""
    every = [objects for _, _, objects in objects_of(parts)]
    animals = [f'animal{k + 1}' for k in range(max(map(len, every), default=0))]
    lose_details(target, parts, ['keypoints', 'order', 'boxes'])
    categories = parts['train']['categories']
    names = next((list(one['keypoints']) for one in categories if one.get('keypoints')), [])
    target.lose('names of classes', sum(one['name'] != 'animal' for one in categories))
    of_cells = [(animal, name, axis) for animal in animals for name in names for axis in 'xy']
    rows = [['scorer', '', '', *['labels'] * len(of_cells)]]
    rows += [['individuals', '', '', *(cell[0] for cell in of_cells)]] if len(animals) > 1 else []
    rows += [[key, '', '', *(cell[i] for cell in of_cells)] for i, key in ((1, 'bodyparts'), (2, 'coords'))]
    folder = 'labeled-data/images'
    for _, image, objects in objects_of(parts):
        name = target.copy(image, folder).name
        whole = [0, 0, image['width'], image['height']]
        cells = []
        for one in objects:
            points = one.get('keypoints') or [0, 0, 0] * len(names)
            target.lose('boxes of objects', int(bool(one.get('bbox')) and (len(animals) > 1 or one['bbox'] != whole)))
            for x, y, visible in zip(points[::3], points[1::3], points[2::3], strict=True):
                cells += [repr(x), repr(y)] if visible else ['', '']
        rows.append(['labeled-data', 'images', name, *cells, *[''] * (len(of_cells) - len(cells))])
    target.write_rows(f'{folder}/CollectedData_labels.csv', rows)


DEEPLABCUT = Format(
    name='deeplabcut',
    title='DeepLabCut',
    holds=frozenset({'keypoints'}),
    find=_find,
    kinds=lambda path, files: ['keypoints'],
    read=_read,
    write=_write,
)
