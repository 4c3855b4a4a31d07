"""Reader of CVAT's XML for images (version 1.1).

By hand: Datumaro 1.13, which reads it, needs an older OpenCV, pandas and Pillow.
"""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count as counting
from pathlib import Path

import numpy as np

from ..annotations import Report
from ..errors import UserError
from .content import Annotations, Content
from .format import Files, Format, Parts
from .images import find_image
from .masks import encode, pixels, round_outline
from .reading import PARTS, Builder, checked
from .shapes import Shapes
from .texts import line_of, number, numbers, read_xml
from .writing import Target, box_to_draw, lose_details, objects_of

__all__ = ['CVAT']


def _find(files: Files) -> list[Path]:
    return files.marked('.xml', lambda text: '<annotations>' in text)


def _build(path: Path, files: Sequence[Path], report: Report) -> Builder:
    built = Builder(path, files[0], report)
    others: Counter[str] = Counter()
    for file in files:
        with report.collecting(path, 'xml'):
            root = read_xml(file)
            if root.find('track') is not None:
                raise UserError(f'{file} has tracks of a video; export the task from CVAT as "CVAT for images 1.1"')
            _read_names(built, root)
            for one in root.findall('image'):
                with report.collecting(path, 'image'):
                    others.update(_read_image(built, file, one))
    for kind, count in others.items():
        report.warning(f'{files[0]}: {count} {kind} cannot be learned and are left out; draw polygons in their place')
    return built


def _read_names(built: Builder, root: ET.Element) -> None:
    """Read the classes and the keypoints in the order of the project."""
    for label in root.iterfind('meta//labels/label'):
        name = (label.findtext('name') or '').strip()
        if label.find('parent') is not None or label.findtext('type') == 'points':
            built.points += [name] if name not in built.points else []
        elif name and name not in built.classes and label.findtext('type') != 'tag':
            built.classes.append(name)


def _read_image(built: Builder, file: Path, image: ET.Element) -> Counter[str]:
    """Read an image; return the numbers of shapes that are left out."""
    where, name = f'{file}: line {line_of(image)}', image.get('name', '')
    size = numbers([image.get('width'), image.get('height')], where, 'the size of the image')
    part = PARTS.get(image.get('subset', '').lower())
    place = find_image(built.path, file, name, [file.parent / 'images' / image.get('subset', '')])
    number_of_image = built.image(place, where, size, part=part)
    shapes, others = Shapes(), Counter[str]()
    for one in image:
        with built.report.collecting(built.path, one.tag):
            if not _draw(built, shapes, one, f'{file}: line {line_of(one)}', number_of_image, size):
                others[f'shapes <{one.tag}>'] += 1
    shapes.into(built, number_of_image)
    return others


def _draw(built: Builder, shapes: Shapes, one: ET.Element, where: str, image: int, size: Sequence[float]) -> bool:
    """Add a shape; return whether its kind is known."""
    name, group = one.get('label', ''), one.get('group_id', '0')
    key = None if group in ('', '0') else group
    crowd = any(a.get('name') == 'iscrowd' and a.text in ('1', 'true') for a in one.findall('attribute'))
    if one.tag == 'tag':
        built.tag(image, name, where)
    elif one.tag == 'box':
        left, top, right, bottom = numbers([one.get(k) for k in ('xtl', 'ytl', 'xbr', 'ybr')], where, 'a side')
        if float(one.get('rotation', '0') or 0):
            built.report.warning(
                f'{where}: a box is turned, and is read as if it were not; draw a polygon', built.path, 'turned box'
            )
        shapes.draw(key, name, where, box=[left, top, right - left, bottom - top], crowd=crowd)
    elif one.tag == 'polygon':
        outline = [value for pair in _pairs(one.get('points', ''), where) for value in pair]
        shapes.draw(key, name, where, outline=outline, crowd=crowd)
    elif one.tag == 'ellipse':
        shapes.draw(
            key,
            name,
            where,
            outline=round_outline(*numbers([one.get(k) for k in ('cx', 'cy', 'rx', 'ry')], where, 'a side')),
        )
    elif one.tag == 'mask':
        _draw_mask(shapes, key, name, one, where, size, crowd)
    elif one.tag == 'points':
        points = _pairs(one.get('points', ''), where)
        visible = 1 if one.get('occluded') == '1' else 2
        if len(points) == 1:
            shapes.point(key, name, where, [*points[0], visible])
        else:
            named = {f'{name}{i}': [*point, visible] for i, point in enumerate(points)}
            shapes.draw(key, name, where, points=named)
    elif one.tag == 'skeleton':
        points_of = {}
        for point in one.findall('points'):
            at = f'{where.rpartition(" ")[0]} {line_of(point)}'
            (pair,) = _pairs(point.get('points', ''), at)[:1] or [[0.0, 0.0]]
            visible = 0 if point.get('outside') == '1' else 1 if point.get('occluded') == '1' else 2
            points_of[point.get('label', '')] = [*pair, visible] if visible else [0.0, 0.0, 0]
        shapes.draw(key, name, where, points=points_of, crowd=crowd)
    else:
        return False
    return True


def _draw_mask(
    shapes: Shapes, key: str | None, name: str, one: ET.Element, where: str, size: Sequence[float], crowd: bool
) -> None:
    """Add a mask: run lengths, row by row and those outside first, in a box."""
    left, top, width, height = (
        int(value) for value in numbers([one.get(k) for k in ('left', 'top', 'width', 'height')], where, 'a side')
    )
    counts = [int(number(text, where, 'a run length')) for text in one.get('rle', '').split(',')]
    fits = 0 <= left <= left + width <= size[0] and 0 <= top <= top + height <= size[1] and width > 0 < height
    if not fits or min(counts) < 0 or sum(counts) != width * height:
        raise UserError(
            f'{where}: a mask has run lengths for {sum(counts)} pixels in {width} x {height} at {left}, {top}; they '
            'must fill the box, and the box must be in the image'
        )
    mask = np.zeros((int(size[1]), int(size[0])), bool)
    inside = np.repeat(np.arange(len(counts)) % 2 > 0, counts).reshape(height, width)
    mask[top : top + height, left : left + width] = inside
    shapes.draw(key, name, where, mask=encode(mask), box=[left, top, width, height], crowd=crowd)


def _pairs(text: str, where: str) -> list[list[float]]:
    """The places in a text 'x,y;x,y'."""
    pairs = [numbers(pair.split(','), where, 'a place') for pair in text.split(';') if pair.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise UserError(f'{where}: points are {text[:60]!r}; expected x,y;x,y')
    return pairs


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report), annotations)


def _write(parts: Parts, target: Target) -> None:
    lose_details(target, parts, ['boxes', 'masks', 'keypoints', 'visibility', 'crowds', 'parts', 'order'])
    root, groups = ET.Element('annotations'), counting(1)
    ET.SubElement(root, 'version').text = '1.1'
    labels = ET.SubElement(ET.SubElement(ET.SubElement(root, 'meta'), 'task'), 'labels')
    categories = {one['id']: one for one in parts['train']['categories']}
    for one in categories.values():
        label = ET.SubElement(labels, 'label')
        ET.SubElement(label, 'name').text = str(one['name'])
        for point in one.get('keypoints') or ():
            part_of = ET.SubElement(labels, 'label')
            ET.SubElement(part_of, 'name').text = point
            ET.SubElement(part_of, 'type').text = 'points'
            ET.SubElement(part_of, 'parent').text = str(one['name'])
    for number_of_image, (part, image, objects) in enumerate(objects_of(parts)):
        place = target.copy(image, f'images/{part}')
        attributes = {'id': str(number_of_image), 'name': place.name, 'subset': part}
        sides = {key: str(image[key]) for key in ('width', 'height')}
        entry = ET.SubElement(root, 'image', {**attributes, **sides})
        if 'category_id' in image:
            ET.SubElement(entry, 'tag', label=str(categories[image['category_id']]['name']))
        for one in objects:
            _write_object(entry, one, image, categories[one['category_id']], str(next(groups)))
    ET.indent(root)
    target.write('annotations.xml', ET.tostring(root, 'unicode') + '\n')


def _write_object(entry: ET.Element, one: Content, image: Content, category: Content, group: str) -> None:
    """Write the shapes of an object, as one group if there are several."""
    common = {'label': str(category['name']), 'occluded': '0', 'z_order': '0'}
    shapes: list[tuple[str, dict[str, str]]] = []
    shape = one.get('segmentation') or []
    if isinstance(shape, Mapping):
        mask = pixels(shape, (image['height'], image['width']))
        ys, xs = np.flatnonzero(mask.any(1)).tolist(), np.flatnonzero(mask.any(0)).tolist()
        inside = [xs[0], ys[0], xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1]
        counts = encode(mask[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1].T)['counts']
        sides = dict(zip(('left', 'top', 'width', 'height'), map(str, inside), strict=True))
        shapes.append(('mask', {**common, 'rle': ','.join(map(str, counts)), **sides}))
        box = None if one.get('bbox') == inside else one.get('bbox')
    else:
        texts = [';'.join(f'{x!r},{y!r}' for x, y in zip(o[::2], o[1::2], strict=True)) for o in shape]
        shapes += [('polygon', {**common, 'points': text}) for text in texts]
        box = box_to_draw(one, shape)
    if box:
        x, y, w, h = box
        sides = {'xtl': repr(x), 'ytl': repr(y), 'xbr': repr(x + w), 'ybr': repr(y + h)}
        shapes.append(('box', {**common, **sides}))
    points = one.get('keypoints') or []
    if points:
        shapes.append(('skeleton', common))
    for tag, attributes in shapes:
        grouped = {**attributes, 'group_id': group} if len(shapes) > 1 else attributes
        drawn = ET.SubElement(entry, tag, grouped)
        if one.get('iscrowd'):
            ET.SubElement(drawn, 'attribute', name='iscrowd').text = '1'
        if tag == 'skeleton':
            triples = zip(category['keypoints'], points[::3], points[1::3], points[2::3], strict=True)
            for name, x, y, visible in triples:
                flags = {'outside': str(int(visible == 0)), 'occluded': str(int(visible == 1))}
                ET.SubElement(drawn, 'points', {'label': name, **flags, 'points': f'{x!r},{y!r}'})


CVAT = Format(
    name='cvat',
    title='CVAT',
    holds=frozenset({'boxes', 'classes', 'keypoints', 'regions'}),
    find=_find,
    kinds=lambda path, files: _build(path, files, Report()).holds,
    read=_read,
    write=_write,
)
