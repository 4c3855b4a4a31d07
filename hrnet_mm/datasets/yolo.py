"""Reader of Ultralytics' YOLO format: a text file for each image, a line for each object, in shares of the image.

By hand, because supervision 0.31 keeps places in 32 bits and makes pixels of polygons (a triangle came back with 205
corners, the nearest of them 0.25 to 0.5 pixels away), and Datumaro 1.13 needs an older OpenCV, pandas and Pillow.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..annotations import Report, read_headers
from ..errors import UserError
from .content import Annotations, Content
from .format import Files, Format, Parts, head
from .images import find_image
from .points import box_around
from .reading import Builder, checked
from .texts import listed_names, numbers, read_text
from .writing import Target, joined, lose_details, objects_of, to_outlines

__all__ = ['YOLO', 'label_file']

_NAMES = re.compile(r'^names\s*:', re.MULTILINE)
_LISTS = {'classes.txt', 'obj.names'}
_MOST = 1.5
"""The largest share of an image that may be a mistake of rounding; beyond it are pixels."""


def label_file(image: Path) -> Path:
    """The label file of an image: in labels/ in place of the last images/, or beside it."""
    parts = list(image.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == 'images':
            parts[i] = 'labels'
            return Path(*parts).with_suffix('.txt')
    return image.with_suffix('.txt')


def _find(files: Files) -> list[Path]:
    """The file of the classes: data.yaml, another one with names, or classes.txt."""
    found = [file for file in files.of('.yaml', '.yml') if _NAMES.search(head(file))]
    if len(found) > 1:
        found = [file for file in found if file.name in ('data.yaml', 'dataset.yaml')] or found
    return found or [
        file for file in files.of('.txt', '.names') if file.name in _LISTS and any(map(_is_label, files.of('.txt')))
    ]


def _is_label(file: Path) -> bool:
    """Whether the first line of a text file has a class and at least four shares."""
    values = head(file).partition('\n')[0].split()
    return len(values) >= 5 and all(re.fullmatch(r'[-+\d.eE]+', value) for value in values)


def _near(files: Files) -> tuple[int, str] | None:
    count = sum(_is_label(file) for file in files.of('.txt')[:100])
    return (count, 'data.yaml is missing, which names the classes (names: [cat, dog])') if count else None


def _settings(file: Path) -> dict[str, Any]:
    if file.suffix in ('.txt', '.names'):
        return {'names': listed_names(file)}
    try:
        settings = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        line = getattr(getattr(error, 'problem_mark', None), 'line', None)
        where = file if line is None else f'{file}: line {line + 1}'
        raise UserError(f'{where} is not YAML; write names: [cat, dog]') from error
    names = settings.get('names') if isinstance(settings, dict) else None
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise UserError(f'{file}: "names" must have the numbers 0 to {len(names) - 1}, got {list(names)[:10]}')
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str | int) for name in names):
        raise UserError(f'{file}: "names" must list the classes; write names: [cat, dog]')
    assert isinstance(settings, dict)
    return {**settings, 'names': [str(name) for name in names]}


def _folders(path: Path, file: Path, settings: Mapping[str, Any]) -> dict[str, list[Path]]:
    """The folders and lists of images of each part that the file states."""
    root = settings.get('path') if isinstance(settings.get('path'), str) else ''
    bases = [file.parent / str(root), file.parent, path]
    found: dict[str, list[Path]] = {}
    for part in ('train', 'val', 'test'):
        values = settings.get(part)
        for value in values if isinstance(values, list) else [values] if values else []:
            tail = re.sub(r'^(\.\.?/)+', '', str(value))
            places = [base / name for base in bases for name in (str(value), tail)]
            inside = [Path(os.path.normpath(one)) for one in places if one.exists()]
            place = next((one for one in inside if one.is_relative_to(os.path.normpath(path))), None)
            if place is not None:
                found.setdefault(part, []).append(place)
            elif part != 'test':
                raise UserError(f'{file}: "{part}: {value}" leads to nothing in {path}; correct it, or leave it out')
    return found


def _images(files: Files, file: Path, settings: Mapping[str, Any], report: Report) -> dict[Path, str | None]:
    """The images and the part of each, where the file states one."""
    path = files.path
    stated = _folders(path, file, settings)
    if stated.get('train') and stated.get('train') == stated.get('val'):
        report.warning(f'{file}: "train" and "val" are the same, so a part of the images is drawn for validation')
        stated.pop('val')
    images: dict[Path, str | None] = {}
    for part, places in stated.items():
        for place in places:
            if place.is_file():
                images |= {path / find_image(path, place, name): part for name in listed_names(place)}
            else:
                images |= dict.fromkeys((one for one in files.images if one.is_relative_to(place)), part)
    if 'train' not in stated:
        # Label images may lie beside; they have no labels of their own.
        found = (one for one in files.images if 'images' in one.relative_to(path).parts or label_file(one).is_file())
        images |= {one: images.get(one) for one in found}
    return dict(sorted(images.items()))


def _build(path: Path, files: Sequence[Path], report: Report) -> Builder:
    if len(files) > 1:
        raise UserError(
            f'{path}: {", ".join(file.name for file in files)} could all name the classes; keep one, or '
            'call it data.yaml'
        )
    (file,) = files
    settings = _settings(file)
    built = Builder(path, file, report, settings['names'])
    shape = _read_points(built, file, settings)
    every = Files(path)
    images = _images(every, file, settings, report)
    folders = {label_file(image).parent for image in images}
    known = {label_file(image) for image in every.images}
    for one in every.of('.txt'):
        if one not in known and one.parent in folders and _is_label(one):
            report.error(f'{one} labels an image that does not exist; add it, or remove the file', path, 'no image')
    for (image, part), header in zip(images.items(), read_headers(list(images)), strict=True):
        if isinstance(header, str):
            report.error(f'{image} is not an image that can be read ({header}); replace it', path, 'image')
            continue
        number = built.image(image.relative_to(path).as_posix(), str(file), part=part)
        label = label_file(image)
        if not label.is_file():
            continue
        with report.collecting(path, 'text'):
            for line, text in enumerate(read_text(label).splitlines(), 1):
                if text.strip():
                    with report.collecting(path, 'line'):
                        _read_line(built, number, text.split(), f'{label}: line {line}', header, shape)
    return built


def _read_points(built: Builder, file: Path, settings: Mapping[str, Any]) -> tuple[int, int] | None:
    """Read the number of keypoints and of values of each; names and flips go to the content."""
    shape = settings.get('kpt_shape')
    if shape is None:
        return None
    if (
        not isinstance(shape, list)
        or len(shape) != 2
        or type(shape[0]) is not int
        or shape[0] < 1
        or shape[1] not in (2, 3)
    ):
        raise UserError(f'{file}: "kpt_shape" is {shape}; expected the number of keypoints and 2 or 3, such as [17, 3]')
    count = shape[0]
    names = settings.get('kpt_names')
    if isinstance(names, dict):  # by classes
        names = next(iter(names.values()), None)
    if not isinstance(names, list) or len({str(name) for name in names}) != count:
        names = [f'point{i}' for i in range(count)]
    built.points = [str(name) for name in names]
    flips = settings.get('flip_idx')
    if flips:
        if not isinstance(flips, list) or sorted(map(str, flips)) != sorted(map(str, range(count))):
            raise UserError(f'{file}: "flip_idx" must hold each number from 0 to {count - 1} once, got {flips}')
        built.flips = flips
    links = settings.get('skeleton') or []
    if all(isinstance(one, list) and len(one) == 2 and set(one) <= set(range(count)) for one in links):
        built.links = [(one[0], one[1]) for one in links]
    return shape[0], shape[1]


def _read_line(
    built: Builder, image: int, texts: Sequence[str], where: str, header: Any, shape: tuple[int, int] | None
) -> None:
    """Add the object of a line: class and box; class and polygon; class, box and keypoints."""
    if not texts[0].isdigit() or int(texts[0]) >= len(built.classes):
        raise UserError(
            f'{where}: the class is {texts[0]!r}; {built.file.name} has the classes 0 to {len(built.classes) - 1}'
        )
    name, values = built.classes[int(texts[0])], numbers(texts[1:], where, 'a value')
    expected = 4 if shape is None else 4 + shape[0] * shape[1]
    is_outline = shape is None and len(values) >= 6 and len(values) % 2 == 0
    if len(values) != expected and not is_outline:
        raise UserError(
            f'{where} has {len(values)} values after the class; expected '
            + (
                f'{expected}: a box and {shape[0]} keypoints'
                if shape
                else '4 of a box, or x and y of 3 or more corners'
            )
        )
    shares = values[4:]
    if shape is not None and shape[1] == 3:
        shares = [value for i, value in enumerate(shares) if i % 3 < 2]
    largest = max(map(abs, [*values[:4], *shares]))
    if largest > _MOST:
        raise UserError(f'{where} has the value {largest:g}; YOLO has shares of the image, from 0 to 1, and no pixels')
    width, height = header.width, header.height
    if is_outline:
        scaled = [value * (height if i % 2 else width) for i, value in enumerate(values)]
        built.add(image, name, where, outlines=[scaled])
        return
    x, y, w, h = values[:4]
    if w < 0 or h < 0:
        raise UserError(f'{where} has a box of the size {w:g} x {h:g}; expected shares above 0')
    box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
    points = None
    if shape is not None:
        points = {}
        for i, point in enumerate(built.points):
            px, py, *visible = values[4 + i * shape[1] : 4 + (i + 1) * shape[1]]
            # Without visibilities, what is not labeled is at 0, 0, or left of the image.
            seen = visible[0] if visible else 2 * (px >= 0 and py >= 0 and (px, py) != (0, 0))
            if seen not in (0, 1, 2):
                raise UserError(f'{where} has the visibility {seen:g} of {point}; expected 0, 1 or 2')
            points[point] = [px * width, py * height, int(seen)] if seen else [0.0, 0.0, 0]
    built.add(image, name, where, box=box, points=points)


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report), annotations)


def _write(parts: Parts, target: Target) -> None:
    lose_details(target, parts, ['boxes', 'masks', 'keypoints', 'visibility', 'parts', 'skeleton', 'order'])
    categories = parts['train']['categories']
    place = {one['id']: i for i, one in enumerate(categories)}
    points: Content = next((one for one in categories if one.get('keypoints')), {})
    count = len(points.get('keypoints') or ())
    for part, image, objects in objects_of(parts):
        name = target.copy(image, f'images/{part}').stem
        lines = [_line(target, one, image, place[one['category_id']], count) for one in objects]
        target.write(f'labels/{part}/{name}.txt', ''.join(f'{line}\n' for line in lines if line))
    settings: dict[str, Any] = {part: f'images/{part}' for part in ('train', 'val') if part in parts}
    settings['names'] = [str(one['name']) for one in categories]
    if count:
        settings |= {'kpt_shape': [count, 3], 'kpt_names': {0: list(points['keypoints'])}}
        settings |= {'skeleton': [[a - 1, b - 1] for a, b in points.get('skeleton') or ()]}
        settings |= {'flip_idx': list(points['flip_indices'])} if points.get('flip_indices') else {}
    target.write('data.yaml', yaml.safe_dump(settings, sort_keys=False, default_flow_style=None))


def _line(target: Target, one: Content, image: Content, label: int, count: int) -> str:
    """The line of an object; empty if it has nothing that YOLO holds."""
    width, height = image['width'], image['height']
    shapes = [] if count else to_outlines(target, one, image)
    if count and one.get('segmentation'):
        target.lose('masks of objects with keypoints')
    if shapes:
        outline = joined(target, shapes, image)
        return ' '.join([str(label), *(repr(v / (height if i % 2 else width)) for i, v in enumerate(outline))])
    points = list(one.get('keypoints') or [0.0, 0.0, 0] * count)
    box = one.get('bbox') or (box_around(points) if any(points[2::3]) else None)
    if box is None:
        target.lose('objects without a box')
        return ''
    if not one.get('bbox'):
        target.lose('objects without a box, which get one around their keypoints')
    x, y, w, h = box
    values = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
    for px, py, visible in zip(points[::3], points[1::3], points[2::3], strict=True):
        values += [px / width, py / height, visible]
    return ' '.join([str(label), *map(repr, values)])


YOLO = Format(
    name='yolo',
    title='YOLO',
    holds=frozenset({'boxes', 'keypoints', 'regions'}),
    find=_find,
    kinds=lambda path, files: _build(path, files, Report()).holds,
    read=_read,
    write=_write,
    near=_near,
)
