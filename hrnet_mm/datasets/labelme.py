"""Reader of LabelMe's format: a JSON file with shapes for each image.

By hand: supervision 0.31 reads boxes and polygons alone, the latter as pixels, and Datumaro 1.13 the older XML alone.
"""

import base64
import binascii
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..annotations import Report
from ..errors import UserError
from .content import Annotations, Content
from .format import Files, Format, Parts
from .images import images_by_stem, own_image
from .masks import encode, round_outline
from .reading import Builder, checked
from .shapes import Shapes
from .texts import is_number, listed_names, read_json
from .writing import Target, box_to_draw, labeled_points, lose_details, objects_of, to_outlines

__all__ = ['LABELME']

_CORNERS = {'rectangle': 2, 'polygon': 3, 'circle': 2, 'point': 1, 'mask': 2}


def _find(files: Files) -> list[Path]:
    return files.marked('.json', lambda text: '"shapes"' in text and '"images"' not in text)


def _build(path: Path, files: Sequence[Path], report: Report) -> Builder:
    built = Builder(path, path, report)
    images, others = images_by_stem(path), Counter[str]()
    for file in files:
        with report.collecting(path, 'json'):
            content = read_json(file)
            shapes = content.get('shapes') if isinstance(content, dict) else None
            if not isinstance(shapes, list) or not all(isinstance(one, dict) for one in shapes):
                raise UserError(f'{file}: "shapes" is no list of shapes; save the file with LabelMe again')
            name = own_image(path, file, str(content.get('imagePath') or '').replace('\\', '/'), images)
            size = [content.get(key) for key in ('imageWidth', 'imageHeight')]
            image = built.image(name, str(file), size if all(map(is_number, size)) else None)
            drawn = Shapes()
            for i, one in enumerate(shapes, 1):
                with report.collecting(path, 'shape'):
                    if not _draw(drawn, one, f'{file}: shape {i}', size):
                        others[str(one.get('shape_type'))] += 1
            drawn.into(built, image)
    for kind, count in others.items():
        report.warning(f'{path}: {count} shapes {kind!r} cannot be learned and are left out; draw polygons')
    built.sort_names(listed_names(path / 'labels.txt'))
    return built


def _draw(shapes: Shapes, one: dict[str, Any], where: str, size: Sequence[Any]) -> bool:
    """Add a shape; return whether its kind is known."""
    kind, name, group = one.get('shape_type') or 'polygon', one.get('label'), one.get('group_id')
    if not isinstance(name, str) or not name.strip():
        raise UserError(f'{where} has the label {name!r}; expected the name of a class or of a keypoint')
    if kind not in _CORNERS:
        return False
    where = f'{where} ({name})'
    corners = one.get('points')
    is_right = isinstance(corners, list) and len(corners) >= _CORNERS[kind]
    if not is_right or not all(isinstance(c, list) and len(c) == 2 and all(map(is_number, c)) for c in corners or ()):
        raise UserError(
            f'{where} has the points {str(corners)[:60]}; a {kind} needs [x, y] of {_CORNERS[kind]} or more'
        )
    assert isinstance(corners, list)
    flags = one.get('flags') if isinstance(one.get('flags'), dict) else {}
    key = group if isinstance(group, int | str) else None
    (x, y), (x2, y2) = corners[0], corners[-1]
    if kind == 'point':
        shapes.point(key, name, where, [x, y, 1 if (flags or {}).get('occluded') else 2])
        return True
    drawn: dict[str, Any]
    if kind == 'rectangle':
        drawn = {'box': [min(x, x2), min(y, y2), abs(x2 - x), abs(y2 - y)]}
    elif kind == 'mask':
        drawn = {'mask': _mask(one, where, [x, y, x2, y2], size), 'box': [x, y, x2 - x + 1, y2 - y + 1]}
    elif kind == 'circle':
        radius = ((x2 - x) ** 2 + (y2 - y) ** 2) ** 0.5
        drawn = {'outline': round_outline(x, y, radius, radius)}
    else:
        drawn = {'outline': [value for corner in corners for value in corner]}
    shapes.draw(key, name, where, crowd=bool((flags or {}).get('crowd')), **drawn)
    return True


def _mask(one: dict[str, Any], where: str, edges: Sequence[float], size: Sequence[Any]) -> dict[str, Any]:
    """The run lengths of a mask, which LabelMe has as a PNG of its box, the last pixels included."""
    left, top, right, bottom = (round(value) for value in edges)
    try:
        with Image.open(io.BytesIO(base64.b64decode(str(one.get('mask')), validate=True))) as image:
            inside = np.asarray(image) > 0
    except (binascii.Error, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f'{where} has a mask that is no PNG ({error}); draw it again') from error
    if inside.shape != (bottom - top + 1, right - left + 1) or not all(map(is_number, size)):
        raise UserError(f'{where} has a mask of {inside.shape[::-1]} pixels from {left}, {top} to {right}, {bottom}')
    if left < 0 or top < 0 or right >= size[0] or bottom >= size[1]:
        raise UserError(f'{where} has a mask outside of its image; draw it again')
    mask = np.zeros((int(size[1]), int(size[0])), bool)
    mask[top : bottom + 1, left : right + 1] = inside
    return encode(mask)


def _near(files: Files) -> tuple[int, str] | None:
    count = len(files.of('.json'))
    return (count, 'no JSON file has "shapes"') if count > 1 else None


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report), annotations)


def _write(parts: Parts, target: Target) -> None:
    kept = ['boxes', 'masks', 'keypoints', 'visibility', 'crowds', 'parts', 'order']
    lose_details(target, parts, kept)
    categories = {one['id']: one for one in parts['train']['categories']}
    used = {one['category_id'] for content in parts.values() for one in content['annotations']}
    target.lose('classes without objects', len(categories.keys() - used))
    names = [str(one['name']) for one in categories.values()]
    names += [point for one in categories.values() for point in one.get('keypoints') or ()]
    for part, image, objects in objects_of(parts):
        place = target.copy(image, part)
        shapes = [
            shape
            for group, one in enumerate(objects, 1)
            for shape in _shapes(target, one, image, categories[one['category_id']], group)
        ]
        content: dict[str, Any] = {
            'version': '5.5.0',
            'flags': {},
            'shapes': shapes,
            'imagePath': place.name,
            'imageData': None,
        }
        sides = {'imageData': None, 'imageHeight': image['height'], 'imageWidth': image['width']}
        target.write_json(f'{part}/{place.stem}.json', {**content, **sides})
    target.write('labels.txt', ''.join(f'{name}\n' for name in dict.fromkeys(names)))


def _shapes(target: Target, one: Content, image: Content, category: Content, group: int) -> list[dict[str, Any]]:
    """The shapes of an object, with a group if there are several."""
    flags = {'crowd': True} if one.get('iscrowd') else {}
    common = {'label': str(category['name']), 'flags': flags}
    polygons = to_outlines(target, one, image)
    shapes = [{**common, 'shape_type': 'polygon', 'points': np.reshape(o, (-1, 2)).tolist()} for o in polygons]
    if box := box_to_draw(one, polygons):
        edges = [[box[0], box[1]], [box[0] + box[2], box[1] + box[3]]]
        shapes.append({**common, 'shape_type': 'rectangle', 'points': edges})
    points = labeled_points(category, one)
    target.lose('classes of objects that are keypoints alone', int(bool(points) and not shapes))
    for name, x, y, visible in points:
        hidden = {'occluded': True} if visible == 1 else {}
        shapes.append({'label': name, 'flags': hidden, 'shape_type': 'point', 'points': [[x, y]]})
    is_group = len(shapes) > 1
    return [{**shape, 'group_id': group if is_group else None} for shape in shapes]


LABELME = Format(
    name='labelme',
    title='LabelMe',
    holds=frozenset({'boxes', 'keypoints', 'regions'}),
    find=_find,
    kinds=lambda path, files: _build(path, files, Report()).holds,
    read=_read,
    write=_write,
    near=_near,
)
