"""Reader of Label Studio's JSON export: boxes, polygons, keypoints and choices, in percent of the image.

By hand: sleap-io 0.9 reads its keypoints alone, and label-studio-converter brings the whole
label-studio-sdk.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..annotations import Report
from ..errors import UserError
from .content import Annotations
from .format import Files, Format, Parts, head
from .images import find_image
from .masks import round_outline
from .reading import Builder, checked
from .shapes import Shapes
from .texts import is_number, listed_names, read_json

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
        shares = [value.get(x), value.get(y)]
        if not all(map(is_number, shares)):
            raise UserError(f'{where} has {x} {shares[0]!r} and {y} {shares[1]!r}; expected numbers in percent')
        return [shares[0] * width / 100, shares[1] * height / 100]

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


LABEL_STUDIO = Format(
    name='label-studio',
    title='Label Studio',
    holds=frozenset({'boxes', 'classes', 'keypoints', 'regions'}),
    find=_find,
    kinds=lambda path, files: _build(path, files, Report()).holds,
    read=_read,
)
