"""Readers of faces' landmarks: iBUG's .pts files, one for each image, and dlib's XML."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from ..annotations import Report
from ..errors import UserError
from .content import Annotations
from .format import Files, Format, Parts
from .images import find_image, images_by_stem, own_image
from .points import box_around
from .reading import Builder, checked
from .texts import line_of, number, numbers, read_text, read_xml
from .writing import Target, labeled_points, lose_details, objects_of

__all__ = ['DLIB', 'PTS']

_FACE = 'face'


def _named(count: int) -> list[str]:
    return [f'{i:0{len(str(count - 1))}d}' for i in range(count)]


def _build_pts(path: Path, files: Sequence[Path], report: Report) -> Builder:
    """Read files of 'n_points: 68', then x and y of each between braces; 1, 1 is the middle of the first pixel."""
    built, images = Builder(path, path, report), images_by_stem(path)
    faces: dict[str, int] = {}
    for file in files:
        with report.collecting(path, 'pts'):
            points = _read_pts(file)
            if built.points and len(points) != len(built.points):
                raise UserError(
                    f'{file} has {len(points)} points, but {files[0]} has {len(built.points)}; all must have as many'
                )
            built.points = _named(len(points))
            # Further faces of an image have a number at the end: a.pts, a_1.pts.
            stem = file.stem if file.stem in images else re.sub(r'_\d+$', '', file.stem)
            name = own_image(path, file.with_stem(stem), '', images)
            if name not in faces:
                faces[name] = built.image(name, str(file))
            named = {point: [x, y, 2] for point, (x, y) in zip(built.points, points, strict=True)}
            built.add(faces[name], _FACE, str(file), points=named)
    return built


def _read_pts(file: Path) -> list[list[float]]:
    lines = read_text(file).splitlines()
    opens = next((i for i, text in enumerate(lines) if text.strip() == '{'), None)
    closes = next((i for i, text in enumerate(lines) if text.strip() == '}'), None)
    stated = next((text.partition(':')[2] for text in lines if text.startswith('n_points')), '')
    if opens is None or closes is None or closes < opens:
        raise UserError(f'{file}: line {len(lines)} is the last, and there are no {{ and }} around the points')
    points = []
    for line, text in enumerate(lines[opens + 1 : closes], opens + 2):
        if text.strip():
            where = f'{file}: line {line}'
            values = numbers(text.split(), where, 'a place')
            if len(values) != 2:
                raise UserError(f'{where} has {len(values)} numbers; expected x and y')
            points.append([value - 1 for value in values])
    if not stated.strip().isdigit() or int(stated) != len(points) or not points:
        raise UserError(f'{file} has {len(points)} points, but states n_points: {stated.strip() or "nothing"}')
    return points


def _build_dlib(path: Path, files: Sequence[Path], report: Report) -> Builder:
    built = Builder(path, files[0], report)
    for file in files:
        part = 'val' if 'test' in file.name else 'train' if 'train' in file.name else None
        with report.collecting(path, 'xml'):
            for image in read_xml(file).iter('image'):
                with report.collecting(path, 'image'):
                    where = f'{file}: line {line_of(image)}'
                    name = find_image(path, file, image.get('file', ''))
                    sides = [image.get('width'), image.get('height')]
                    size = numbers(sides, where, 'the size') if None not in sides else None
                    number_of_image = built.image(name, where, size, part)
                    for box in image.findall('box'):
                        with report.collecting(path, 'box'):
                            _read_box(built, number_of_image, file, box)
    built.points.sort()
    return built


def _read_box(built: Builder, image: int, file: Path, box: ET.Element) -> None:
    where = f'{file}: line {line_of(box)}'
    values = numbers([box.get(key) for key in ('left', 'top', 'width', 'height')], where, 'a side of the box')
    points = {}
    for part in box.findall('part'):
        at = f'{file}: line {line_of(part)}'
        points[part.get('name', '')] = [number(part.get(axis), at, axis) for axis in 'xy'] + [2]
    name = (box.findtext('label') or '').strip() or _FACE
    built.add(image, name, where, box=values, points=points or None, crowd=box.get('ignore') == '1')


def _read_dlib(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build_dlib(path, files, report), annotations)


def _read_all_pts(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build_pts(path, files, report), annotations)


def _find_dlib(files: Files) -> list[Path]:
    return files.marked('.xml', lambda text: '<dataset>' in text and '<images>' in text)


def _write_pts(parts: Parts, target: Target) -> None:
    lose_details(target, parts, ['keypoints', 'parts'])
    for part, image, objects in objects_of(parts):
        place = target.copy(image, part)
        target.lose('images without an object', int(not objects))
        for k, one in enumerate(objects):
            points = one.get('keypoints') or []
            if not points or not all(points[2::3]):
                target.lose('objects with unlabeled keypoints, which are left out')
                continue
            places = [f'{x + 1!r} {y + 1!r}\n' for x, y in zip(points[::3], points[1::3], strict=True)]
            name = place.stem if k == 0 else f'{place.stem}_{k}'
            text = f'version: 1\nn_points: {len(places)}\n{{\n{"".join(places)}}}\n'
            target.write(f'{part}/{name}.pts', text)
    names: list[str] = next((one['keypoints'] for one in parts['train']['categories'] if one.get('keypoints')), [])
    target.lose('names of keypoints', len(names) if list(names) != _named(len(names)) else 0)


def _write_dlib(parts: Parts, target: Target) -> None:
    lose_details(target, parts, ['boxes', 'keypoints', 'crowds', 'parts'])
    categories = {one['id']: one for one in parts['train']['categories']}
    roots: dict[str, ET.Element] = {part: ET.Element('images') for part in parts}
    for part, image, objects in objects_of(parts):
        place = target.copy(image, f'images/{part}').relative_to(target.folder).as_posix()
        entry = ET.SubElement(roots[part], 'image', file=place, width=str(image['width']), height=str(image['height']))
        for one in objects:
            points = one.get('keypoints') or []
            sides = one.get('bbox') or (box_around(points) if any(points[2::3]) else None)
            if sides is None:
                target.lose('objects without a box')
                continue
            if not one.get('bbox'):
                target.lose('objects without a box, which get one around their keypoints')
            texts = dict(zip(('left', 'top', 'width', 'height'), map(repr, sides), strict=True))
            box = ET.SubElement(entry, 'box', {**texts, **({'ignore': '1'} if one.get('iscrowd') else {})})
            category = categories[one['category_id']]
            ET.SubElement(box, 'label').text = str(category['name'])
            for name, x, y, _ in labeled_points(category, one):
                ET.SubElement(box, 'part', name=name, x=repr(x), y=repr(y))
    for part, images in roots.items():
        root = ET.Element('dataset')
        root.append(images)
        ET.indent(root)
        target.write({'train': 'train.xml', 'val': 'test.xml'}[part], ET.tostring(root, 'unicode') + '\n')


PTS = Format(
    name='pts',
    title='iBUG points',
    holds=frozenset({'keypoints'}),
    find=lambda files: files.of('.pts'),
    kinds=lambda path, files: ['keypoints'],
    read=_read_all_pts,
    write=_write_pts,
)

DLIB = Format(
    name='dlib',
    title='dlib',
    holds=frozenset({'boxes', 'keypoints'}),
    find=_find_dlib,
    kinds=lambda path, files: _build_dlib(path, files, Report()).holds,
    read=_read_dlib,
    write=_write_dlib,
)
