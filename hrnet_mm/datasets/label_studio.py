"""Reader of Label Studio's JSON export: boxes, polygons, keypoints and choices, in percent of the image.

By hand: sleap-io 0.9 reads rectangles and keypoints alone, and label-studio-converter brings the whole
label-studio-sdk.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from ..annotations import Report
from ..errors import UserError
from .content import Annotations, Content
from .format import Files, Format, Parts, head
from .images import find_image
from .masks import round_outline
from .reading import Builder, checked
from .shapes import Shapes
from .texts import is_number, listed_names, read_json
from .writing import Target, box_to_draw, labeled_points, lose_details, objects_of, to_outlines

__all__ = ['LABEL_STUDIO']

_KEYS = ('rectanglelabels', 'polygonlabels', 'keypointlabels', 'ellipselabels')


def _find(files: Files) -> list[Path]:
    found = []
    for file in files.of('.json'):
        start = head(file)
        if start.lstrip().startswith('[') and '"data"' in start and ('"annotations"' in start or '"result"' in start):
            found.append(file)
    return found


def _build(path: Path, files: Sequence[Path], report: Report) -> Builder:
    if len(files) > 1:
        raise UserError(f'{path}: {", ".join(file.name for file in files)} could all be the labels; keep one')
    (file,) = files
    built, others = Builder(path, file, report), Counter[str]()
    tasks = read_json(file)
    if not isinstance(tasks, list):
        raise UserError(f'{file} is no list of tasks; export the project from Label Studio as JSON')
    for i, task in enumerate(tasks, 1):
        with report.collecting(path, 'task'):
            if not isinstance(task, dict):
                raise UserError(f'{file}: task {i} is {str(task)[:40]}; export the project as JSON')
            others.update(_read_task(built, file, f'{file}: task {task.get("id", i)}', task))
    for kind, count in others.items():
        report.warning(f'{file}: {count} results of the type {kind!r} cannot be learned and are left out')
    built.sort_names(listed_names(path / 'labels.txt'))
    return built


def _read_task(built: Builder, file: Path, where: str, task: Mapping[str, Any]) -> Counter[str]:
    """Read an image; return the numbers of results that are left out."""
    data = task.get('data')
    values = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
    if not values:
        raise UserError(f'{where} has no image in its "data"; export the project as JSON')
    name = _find_image(built.path, file, values[0])
    given = [one for one in task.get('annotations') or () if isinstance(one, dict) and not one.get('was_cancelled')]
    if len(given) > 1:
        raise UserError(f'{where} is annotated {len(given)} times; keep one annotation for each image')
    results = [one for annotation in given for one in annotation.get('result') or () if isinstance(one, dict)]
    size = next(
        ([one['original_width'], one['original_height']] for one in results if is_number(one.get('original_width'))),
        None,
    )
    image, shapes, others = built.image(name, where, size), Shapes(), Counter[str]()
    parents = {one.get('parentID') for one in results}
    for k, one in enumerate(results, 1):
        with built.report.collecting(built.path, 'result'):
            if not _draw(built, image, shapes, one, f'{where}, result {k}', parents):
                others[str(one.get('type'))] += 1
    shapes.into(built, image)
    return others


def _find_image(path: Path, file: Path, url: str) -> str:
    """The path of an image below `path`; uploaded files have eight characters and a hyphen before their names."""
    parts = urlsplit(url)
    name = (parse_qs(parts.query).get('d') or [unquote(parts.path)])[0]
    try:
        return find_image(path, file, name)
    except UserError:
        start, hyphen, rest = Path(name).name.partition('-')
        if not hyphen or len(start) != 8:
            raise
        return find_image(path, file, rest)


def _draw(built: Builder, image: int, shapes: Shapes, one: Mapping[str, Any], where: str, parents: set[Any]) -> bool:
    """Add a result; return whether its kind is known."""
    value, kind = one.get('value'), str(one.get('type'))
    if kind in ('choices', 'labels', 'relation') or not isinstance(value, dict):
        choices = value.get('choices') if isinstance(value, dict) else None
        for choice in choices if isinstance(choices, list) else ():
            built.tag(image, str(choice), where)
        return bool(choices)
    names = next((value[key] for key in _KEYS if isinstance(value.get(key), list) and value[key]), None)
    if kind not in _KEYS:
        return False
    if names is None:
        raise UserError(f'{where} has no label; give it one')
    name, group = str(names[0]), one.get('parentID') or (one.get('id') if one.get('id') in parents else None)
    width, height = one.get('original_width'), one.get('original_height')
    if not is_number(width) or not is_number(height):
        raise UserError(f'{where} has no "original_width" and "original_height" of its image; export it again')

    def scaled(x: str, y: str) -> list[float]:
        across, down = value.get(x), value.get(y)
        if not is_number(across) or not is_number(down):
            raise UserError(f'{where} has {x} {across!r} and {y} {down!r}; expected numbers in percent')
        return [across * width / 100, down * height / 100]

    if kind == 'keypointlabels':
        hidden = one.get('meta') == {'text': ['occluded']}
        shapes.point(group, name, where, [*scaled('x', 'y'), 1 if hidden else 2])
    elif kind == 'rectanglelabels':
        if value.get('rotation'):
            built.report.warning(f'{where}: a box is turned, and is read as if it were not', built.path, 'turned box')
        shapes.draw(group, name, where, box=[*scaled('x', 'y'), *scaled('width', 'height')])
    elif kind == 'ellipselabels':
        shapes.draw(group, name, where, outline=round_outline(*scaled('x', 'y'), *scaled('radiusX', 'radiusY')))
    else:
        corners = value.get('points')
        if not isinstance(corners, list) or not all(
            isinstance(c, list) and len(c) == 2 and all(map(is_number, c)) for c in corners
        ):
            raise UserError(f'{where} has the points {str(corners)[:60]}; expected [x, y] in percent')
        outline = [v for x, y in corners for v in (x * width / 100, y * height / 100)]
        shapes.draw(group, name, where, outline=outline)
    return True


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report), annotations)


def _write(parts: Parts, target: Target) -> None:
    lose_details(target, parts, ['boxes', 'masks', 'keypoints', 'visibility', 'parts', 'order'])
    categories = {one['id']: one for one in parts['train']['categories']}
    used = {one['category_id'] for content in parts.values() for one in content['annotations']}
    target.lose('classes without objects', len(categories.keys() - used))
    names = [str(one['name']) for one in categories.values()]
    names += [point for one in categories.values() for point in one.get('keypoints') or ()]
    tasks = []
    for number, (part, image, objects) in enumerate(objects_of(parts), 1):
        place = target.copy(image, f'images/{part}')
        results = [
            result
            for k, one in enumerate(objects, 1)
            for result in _results(target, one, image, categories[one['category_id']], f'object{k}')
        ]
        if 'category_id' in image:
            choices = {'choices': [str(categories[image['category_id']]['name'])]}
            results.append({'type': 'choices', 'value': choices, 'from_name': 'class', 'to_name': 'image'})
        data = {'image': f'/data/local-files/?d=images/{part}/{quote(place.name)}'}
        tasks.append({'id': number, 'data': data, 'annotations': [{'id': number, 'result': results}]})
    target.write_json('labels.json', tasks)
    target.write('labels.txt', ''.join(f'{name}\n' for name in dict.fromkeys(names)))


def _results(target: Target, one: Content, image: Content, category: Content, name: str) -> list[dict[str, Any]]:
    """The results of an object; further ones have the first as their parent."""
    width, height, label = image['width'], image['height'], str(category['name'])
    found: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    shapes = to_outlines(target, one, image)
    for shape in shapes:
        corners = [[100 * x / width, 100 * y / height] for x, y in zip(shape[::2], shape[1::2], strict=True)]
        found.append(('polygonlabels', {'points': corners, 'polygonlabels': [label]}, {}))
    if box := box_to_draw(one, shapes):
        percents = [100 * value / (height if i % 2 else width) for i, value in enumerate(box)]
        sides = dict(zip(('x', 'y', 'width', 'height'), percents, strict=True))
        found.append(('rectanglelabels', {**sides, 'rotation': 0, 'rectanglelabels': [label]}, {}))
    points = labeled_points(category, one)
    target.lose('classes of objects that are keypoints alone', int(bool(points) and not found))
    for point, x, y, visible in points:
        value = {'x': 100 * x / width, 'y': 100 * y / height, 'width': 0.5, 'keypointlabels': [point]}
        found.append(('keypointlabels', value, {'meta': {'text': ['occluded']}} if visible == 1 else {}))
    results = []
    for k, (kind, value, others) in enumerate(found):
        of_parent = {} if k == 0 else {'parentID': f'{name}-0'}
        size = {'original_width': width, 'original_height': height, 'image_rotation': 0}
        to = {'from_name': kind, 'to_name': 'image', 'type': kind}
        results.append({'id': f'{name}-{k}', **to, **size, 'value': value, **of_parent, **others})
    return results


LABEL_STUDIO = Format(
    name='label-studio',
    title='Label Studio',
    holds=frozenset({'boxes', 'classes', 'keypoints', 'regions'}),
    find=_find,
    kinds=lambda path, files: _build(path, files, Report()).holds,
    read=_read,
    write=_write,
)
