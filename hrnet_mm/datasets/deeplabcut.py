"""Reader of DeepLabCut's labels, of one animal or of several."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from .coco import with_size
from .content import Content, Points

_LINES = ('scorer', 'individuals', 'bodyparts', 'coords')
_HEADER = 'expected first lines that begin with scorer, (individuals,) bodyparts and coords'


def find_deeplabcut(path: Path) -> list[Path]:
    """The files CollectedData_*.csv of a project, of its labeled-data/, or of one video's folder in it."""
    patterns = ('', '*/', 'labeled-data/*/')
    return [file for pattern in patterns for file in sorted(path.glob(f'{pattern}CollectedData_*.csv'))]


def read_deeplabcut(path: Path, files: Sequence[Path]) -> tuple[Content, Points]:
    """Read images with one annotation for each animal; that of an only animal has the whole image as its box.

    Body parts of which a project with several animals has one for all ('single') are left out.

    Returns:
        The images and annotations, and the body parts.

    Raises:
        UserError: A file is wrong; the sentence names the line.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names: tuple[str, ...] = ()
    for file in files:
        with file.open(newline='') as opened:
            rows = list(csv.reader(opened))
        first, columns, animals, parts = _read_header(file, rows)
        if names and parts != names:
            raise UserError(f'{file} has the body parts {", ".join(parts)}, but {files[0]} has {", ".join(names)}')
        names = parts
        for line, row in enumerate(rows[first:], first + 1):
            if not row:
                continue
            name = _find_image(path, file, line, row[:columns])
            image = with_size(path, {'id': len(images) + 1, 'file_name': name})
            images.append(image)
            for columns_of in animals:
                points = _read_points(file, line, row, columns_of, parts)
                if any(points[2::3]):
                    one = {'id': len(annotations) + 1, 'image_id': image['id'], 'category_id': 1, 'keypoints': points}
                    if len(animals) == 1:
                        one['bbox'] = [0, 0, image['width'], image['height']]
                    annotations.append(one)
    if not annotations:
        raise UserError(f'{files[0]}: no body part is labeled in any image')
    content = {'images': images, 'annotations': annotations, 'categories': [{'id': 1, 'name': 'animal'}]}
    return content, Points(names)


def _read_header(file: Path, rows: list[list[str]]) -> tuple[int, int, list[dict[str, int]], tuple[str, ...]]:
    """Number of header lines; columns of the image's name; of each animal, the column of each part's x; the parts."""
    header = {row[0].strip(): row for row in rows[:4] if row and row[0].strip() in _LINES}
    if not set(_LINES) - {'individuals'} <= set(header):
        raise UserError(f'{file}: lines 1 to 4 are not a header of DeepLabCut; {_HEADER}')
    coords, parts = header['coords'], header['bodyparts']
    individuals = header.get('individuals', [''] * len(coords))
    animals: dict[str, dict[str, int]] = {}
    for column, coord in enumerate(coords):
        if coord.strip() == 'x':
            animals.setdefault(individuals[column], {})[parts[column]] = column
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
            raise UserError(f'{file}: line {line}: {part} needs two numbers or nothing, got {row}') from error
        points += [0.0, 0.0, 0] if math.isnan(x) or math.isnan(y) else [x, y, 2]
    return points


def _find_image(path: Path, file: Path, line: int, cells: Sequence[str]) -> str:
    """The path of an image, below `path` if it can be."""
    name = Path(*[part for cell in cells for part in cell.replace('\\', '/').split('/')])
    for folder in (path, *file.parents[:3]):
        for candidate in (folder / name, folder / name.name, folder / 'images' / name.name):
            if candidate.is_file():
                return candidate.relative_to(path).as_posix() if path in candidate.parents else str(candidate.resolve())
    raise UserError(f'{file}: line {line}: {name} does not exist in {file.parent} or where the name leads')
