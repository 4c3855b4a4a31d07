"""Check of one COCO file: what it says twice, what it lacks, and what contradicts its images."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..images import Header, read_headers
from .report import Report, listed
from .shapes import check_box, check_mask, check_points
from .values import NUMBERS, are_numbers, by, hashable, is_id, is_side, short

__all__ = ['WHERE', 'Use', 'check_coco', 'check_structure', 'count_labels', 'read_json']

WHERE = '_where'
"""The key of an image's or annotation's place in its file, for sentences, where a reader made it of another format."""

_MOST_BYTES = 2 * 10**9  # COCO's largest file has half a billion


@dataclass(frozen=True)
class Use:
    """What reads a COCO file; what it does not read is not checked.

    Attributes:
        is_own: Whether `hrnet_mm.datasets` reads it, which numbers everything anew and adds `area` and `iscrowd`.
        boxes: Whether every annotation needs a box.
        masks: Whether masks are read, where there are any.
        keypoints: Whether keypoints are read.
        evaluated: Whether COCO's evaluator reads it.
        sizes: Whether `width` and `height` are needed.
        turns: Whether images are read as their EXIF orientation asks for.
        skips: Whether images that cannot be read are skipped, as the user wishes.
        classes: The names that a config gives to the classes.
        points: The names that a config gives to the keypoints.
    """

    is_own: bool = False
    boxes: bool = False
    masks: bool = False
    keypoints: bool = False
    evaluated: bool = False
    sizes: bool = True
    turns: bool = True
    skips: bool = False
    classes: tuple[str, ...] | None = None
    points: tuple[str, ...] | None = None


def read_json(file: Path) -> Any:
    """Read a JSON file in UTF-8, with or without a byte order mark, or in UTF-16.

    Raises:
        ValueError: It is not JSON, or too large; the reason names the line.
    """
    if (size := file.stat().st_size) > _MOST_BYTES:
        raise ValueError(f'it has {size / 1e9:.0f} GB, and may have {_MOST_BYTES / 1e9:.0f}')
    data = file.read_bytes()
    try:
        return json.loads(data)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b'\n') + 1
        raise ValueError(f'line {line} is not in UTF-8') from error


def check_structure(file: Path, coco: Any, formats: str, report: Report, needed: Sequence[str]) -> bool:
    """Check that a file has COCO's lists of entries with ids and names.

    Args:
        file: The file.
        coco: Its content.
        formats: The end of a sentence about a file of another format.
        report: Takes the findings.
        needed: The lists that must not be empty.

    Returns:
        Whether the other checks can read the content.
    """
    before = len(report.errors)
    for key in needed:
        if not isinstance(coco, dict) or not coco.get(key):
            report.error(f'{file}: "{key}" is missing or empty; {formats}')
            return False
    for key, name in (('images', 'file_name'), ('annotations', None), ('categories', 'name')):
        entries = coco.get(key) or []
        if not isinstance(entries, list):
            report.error(f'{file}: "{key}" is no list of entries but {short(entries)}; {formats}')
            continue
        for i, one in enumerate(entries):
            if not isinstance(one, dict):
                report.error(f'{file}: entry {i} of "{key}" is {short(one)}; expected {{...}}', file, key, 'entry')
            elif name is None:
                continue
            elif 'id' not in one or name not in one:
                report.error(
                    f'{file}: an entry of "{key}" has no "id" or no "{name}": {short(one)}; add it', file, key, name
                )
            elif not isinstance(one[name], str) or not one[name].strip():
                report.error(
                    f'{file}: an entry of "{key}" has the "{name}" {one[name]!r}; it must be a text', file, key, name
                )
    return len(report.errors) == before


def check_coco(
    file: Path, coco: Mapping[str, Any], use: Use, files: Sequence[Path | None], report: Report
) -> list[Header | None]:
    """Check the content of a COCO file whose structure is right.

    Args:
        file: The file.
        coco: Its content, checked by `check_structure`.
        use: What reads it.
        files: The file of each image; None for one that is not looked at.
        report: Takes the findings.

    Returns:
        The header of each image file; None for one that is not looked at, or not an image.
    """
    check = _Check(file, coco, use, report)
    headers = check.images(files)
    check.categories()
    check.annotations()
    return headers


def count_labels(coco: Mapping[str, Any], use: Use) -> tuple[Counter[str], Counter[str]]:
    """Count the objects of each class and the labeled points of each keypoint, zeros included.

    Crowds and objects that a library drops are not counted.

    Args:
        coco: The content, checked by `check_coco` without a mistake.
        use: What reads it.

    Returns:
        The counts by the names of the classes and by those of the keypoints.
    """
    categories = {one['id']: one['name'] for one in coco.get('categories') or ()}
    classes = Counter(dict.fromkeys(use.classes or categories.values(), 0))
    names = use.points or next((one['keypoints'] for one in coco.get('categories') or () if one.get('keypoints')), ())
    points = Counter(dict.fromkeys(names if use.keypoints else (), 0))
    sizes = {one['id']: (one.get('width'), one.get('height')) for one in coco['images']}
    for one in coco.get('annotations') or ():
        name = categories.get(one.get('category_id'))
        if one.get('iscrowd') or (use.boxes and _is_dropped(one, *sizes[one['image_id']])):
            continue
        values = one.get('keypoints') or []
        if use.keypoints and not any(visible > 0 for visible in values[2::3]):
            continue
        if name in classes:
            classes[name] += 1
        for point, visible in zip(names if use.keypoints else (), values[2::3], strict=False):
            points[point] += visible > 0
    return classes, points


class _Check:
    """The parts of the check of one file, in the order in which they must run."""

    def __init__(self, file: Path, coco: Mapping[str, Any], use: Use, report: Report) -> None:
        self.file = file
        self.coco = coco
        self.use = use
        self.report = report
        self.sizes: dict[Any, tuple[float, float] | None] = {}

    def images(self, files: Sequence[Path | None]) -> list[Header | None]:
        self._ids('images', self.coco['images'], lambda one: f'image {one["file_name"]!r}')
        self._files(files)
        headers: list[Header | None] = [None] * len(files)
        places = [i for i, file in enumerate(files) if file is not None]
        existing = [file for file in files if file is not None]
        for i, header in zip(places, read_headers(existing), strict=True):
            if isinstance(header, str):
                self._error(
                    'image',
                    f'{files[i]} is not an image that can be read ({header}); replace it, or take it out of '
                    f'{self.file}',
                )
            else:
                headers[i] = header
        for image, known in zip(self.coco['images'], headers, strict=True):
            size = self._size(image, known)
            if hashable(image['id']):
                self.sizes[image['id']] = size
        return headers

    def categories(self) -> None:
        categories = self.coco.get('categories') or []
        self._ids('categories', categories, lambda one: f'category {one["name"]!r}')
        names = Counter(one['name'] for one in categories)
        for name, count in names.items():
            if count > 1:
                ids = [one['id'] for one in categories if one['name'] == name]
                self._error('names', f'{self.file}: the categories {ids} are all called {name!r}; name each once')
        folded: dict[str, str] = {}
        for name in names:
            other = folded.setdefault(name.strip().casefold(), name)
            if other != name:
                self.report.warning(
                    f'{self.file}: the categories {other!r} and {name!r} differ in case or spaces only; '
                    'make them one if they mean the same'
                )
        self._classes(list(names))
        for one in categories:
            points = one.get('keypoints')
            if self.use.keypoints and points:
                self._point_names(one['name'], points)

    def annotations(self) -> None:
        annotations = self.coco.get('annotations') or []
        self._annotation_ids(annotations)
        category_ids = {one['id'] for one in self.coco.get('categories') or () if hashable(one['id'])}
        counts: Counter[int] = Counter()
        seen: dict[Any, int] = {}
        for i, one in enumerate(annotations):
            where = one.get(WHERE) or f'{self.file}: {_named(one, i)}'
            if not self._references(where, one, category_ids):
                continue
            for level, kind, sentence in self._annotation(one):
                say = self.report.error if level == 'error' else self.report.warning
                say(f'{where} {sentence}', self.file, kind)
            if self.use.keypoints and isinstance(one.get('keypoints'), list) and one['keypoints']:
                counts[len(one['keypoints'])] += 1
            key = _content(one)
            if key is not None and (first := seen.setdefault(key, i)) != i:
                other = annotations[first]
                self.report.warning(
                    f'{where} is the same object as {other.get(WHERE) or _named(other, first)}; '
                    'an object that is given twice counts twice, so remove one',
                    self.file,
                    'twice',
                )
        self._number_of_points(counts)

    def _error(self, kind: str, sentence: str) -> None:
        say = self.report.warning if self.use.skips and kind in ('image', 'size') else self.report.error
        say(sentence, self.file, kind)

    def _ids(self, key: str, entries: Sequence[Mapping[str, Any]], name: Any) -> None:
        """Check that ids are numbers, or texts where they are given anew, and that no two are equal."""
        first: dict[Any, Any] = {}
        kinds = set()
        for one in entries:
            value = one['id']
            if not is_id(value, self.use.is_own):
                self._error(
                    f'{key} id', f'{self.file}: {name(one)} has the id {value!r}; it must be a whole number of its own'
                )
                continue
            kinds.add(isinstance(value, str))
            other = first.setdefault(value, one)
            if other is not one:
                self._error(
                    f'{key} twice',
                    f'{self.file}: {name(other)} and {name(one)} both have the id {value!r}; '
                    'give each an id of its own, and its annotations too',
                )
        if len(kinds) > 1:
            self._error(f'{key} kinds', f'{self.file}: some ids of "{key}" are numbers and some texts; use numbers')

    def _files(self, files: Sequence[Path | None]) -> None:
        first: dict[Path, Mapping[str, Any]] = {}
        for image, file in zip(self.coco['images'], files, strict=True):
            other = image if file is None else first.setdefault(file, image)
            if other is not image:
                say = self.report.error if self.use.is_own else self.report.warning
                say(
                    f'{self.file}: the images {other["id"]!r} and {image["id"]!r} are the same file, {file}; '
                    'list a file once, with all of its annotations',
                    self.file,
                    'same file',
                )

    def _size(self, image: Mapping[str, Any], header: Header | None) -> tuple[float, float] | None:
        """The size that the annotations are for, after a comparison with the file's."""
        stated = image.get('width'), image.get('height')
        where = image.get(WHERE) or f'{self.file}: image {image["file_name"]!r}'
        if any(value is not None and not is_side(value) for value in stated):
            self._error(
                'side', f'{where} has width {stated[0]!r} and height {stated[1]!r}; expected whole numbers above 0'
            )
            return None
        if None in stated and self.use.sizes and not self.use.is_own:
            self._error('no side', f'{where} has no "width" or no "height", which the library needs; add both')
        if header is None:
            return None if None in stated else (float(stated[0] or 0), float(stated[1] or 0))
        if not self.use.turns:
            header = Header(*header.stored)
        found = header.width, header.height
        if self.use.is_own and header.is_before_turn(stated):
            self.report.warning(
                f'{where} is labeled as it is stored, {by(header.stored)}, and is turned by its EXIF orientation '
                f'{header.orientation} when it is read; its labels are turned with it',
                self.file,
                'labels turned',
            )
            return float(header.stored[0]), float(header.stored[1])
        if contradiction := header.contradicts(stated):
            self._error('size', f'{where} is {by(stated)} pixels in the file, but {contradiction}')
            return None
        if header.orientation > 1 and (None in stated or header.orientation < 5 or found[0] == found[1]):
            self.report.warning(
                f'{where} is turned by its EXIF orientation {header.orientation} when it is read, and nothing tells '
                'whether its labels are for the turned image; look at them in a picture, or store it without one',
                self.file,
                'turned',
            )
        return float(found[0]), float(found[1])

    def _classes(self, names: list[str]) -> None:
        wanted = self.use.classes
        if wanted is None:
            return
        missing = [name for name in wanted if name not in names]
        if missing:
            near = {name: other for name in missing for other in names if other.casefold() == name.casefold()}
            hint = f'; write {next(iter(near.values()))!r} for {next(iter(near))!r}' if near else ''
            self._error(
                'classes',
                f'{self.file}: no category is called {listed(missing)}, as the metainfo.classes of the config say; '
                f'the file has {listed(names)}{hint}; use the names of the file in its order',
            )
            return
        order = [name for name in names if name in wanted]
        if order != list(wanted):
            self._error(
                'order',
                f'{self.file}: the categories are in the order {listed(order)}, but metainfo.classes of the config are '
                f'{listed(wanted)}, so that the labels get the names of others; use the order of the file',
            )
        left = {one['id'] for one in self.coco['categories'] if one['name'] not in wanted and hashable(one['id'])}
        count = sum(hashable(one.get('category_id')) and one.get('category_id') in left for one in self._objects())
        if count:
            other = [name for name in names if name not in wanted]
            self.report.warning(
                f'{self.file}: {count} of {len(self._objects())} objects are left out, because metainfo.classes of the '
                f'config has no {listed(other)}; add the names if they are to be learned'
            )

    def _objects(self) -> list[Any]:
        return self.coco.get('annotations') or []

    def _point_names(self, category: str, names: Any) -> None:
        where = f'{self.file}: the category {category!r}'
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name.strip() for name in names):
            self._error('points', f'{where} has "keypoints" {short(names)}; expected a list of names')
        elif len(set(names)) < len(names):
            twice = [name for name, count in Counter(names).items() if count > 1]
            self._error('points', f'{where} has the keypoint {twice[0]!r} twice; give each a name of its own')
        elif self.use.points is not None and tuple(names) != self.use.points:
            if len(names) != len(self.use.points):
                self._error(
                    'points',
                    f'{where} has {len(names)} keypoints, but the metainfo of the config {len(self.use.points)}; '
                    'they must be the same',
                )
            elif set(names) == set(self.use.points):
                self._error(
                    'points',
                    f'{where} has the keypoints {listed(list(names))}, but the metainfo of the config has them as '
                    f'{listed(self.use.points)}; they must be in the same order',
                )

    def _number_of_points(self, counts: Counter[int]) -> None:
        """Check, where no names say how many values there must be, that there are always as many."""
        named = any(one.get('keypoints') for one in self.coco.get('categories') or ())
        if not self.use.is_own and not named and self.use.points is None and len(counts) > 1:
            self._error(
                'values',
                f'{self.file}: the annotations have {" and ".join(map(str, sorted(counts)[:3]))} values in '
                '"keypoints"; all must have as many',
            )

    def _annotation_ids(self, annotations: Sequence[Mapping[str, Any]]) -> None:
        """Check the ids of annotations; in a folder they are given anew, and a repeated one only hints at a mistake."""
        seen: set[Any] = set()
        for i, one in enumerate(annotations):
            value = one.get('id')
            if self.use.is_own:
                continue
            if not is_id(value, False):
                given = 'no "id"' if 'id' not in one else f'the id {value!r}'
                self._error(
                    'annotation id',
                    f'{self.file}: annotation number {i + 1} has {given}; number the annotations 1, 2, 3, ...',
                )
            elif value in seen:
                self._error(
                    'annotation twice',
                    f'{self.file}: two annotations have the id {value}, so that one gets the labels of the other; '
                    'number the annotations 1, 2, 3, ...',
                )
            elif value == 0 and self.use.evaluated:
                self._error(
                    'annotation zero',
                    f'{self.file}: an annotation has the id 0, which COCO\'s evaluator takes for "not found", so that '
                    'right predictions count as wrong; number the annotations from 1',
                )
            else:
                seen.add(value)

    def _references(self, where: str, one: Mapping[str, Any], category_ids: set[Any]) -> bool:
        """Check that the image and the category of an annotation exist."""
        known = True
        needs_category = self.coco.get('categories') or self.use.classes is not None
        for key, allowed in (('image_id', self.sizes.keys()), ('category_id', category_ids)):
            if key == 'category_id' and not needs_category:
                continue
            value = one.get(key)
            if not hashable(value) or value not in allowed:
                as_text = hashable(value) and any(str(value) == str(other) for other in allowed)
                why = ' in this form: numbers and texts differ' if as_text else ''
                self._error(key, f'{where} has {key} {value!r}, which the file does not list{why}; correct it')
                known = False
        return known

    def _annotation(self, one: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Yield level, kind and sentence of what is wrong within an annotation."""
        lost = 'error' if self.use.is_own else 'warning'
        size = self.sizes[one['image_id']]
        crowd = one.get('iscrowd', 0)
        if type(crowd) not in (int, float, bool, type(None)) or crowd not in (0, 1, None):
            yield 'error', 'iscrowd', f'has "iscrowd" {short(crowd)}; expected 0 or 1'
        if self.use.evaluated and not self.use.is_own and 'iscrowd' not in one:
            yield 'error', 'no iscrowd', 'has no "iscrowd", which COCO\'s evaluator needs; add 0'
        box = one.get('bbox')
        if self.use.boxes or (self.use.keypoints and box):
            if not are_numbers(box, 4):
                found = f' but {short(box)}' if box else ''
                yield 'error', 'bbox', f'has no "bbox" of [x, y, width, height]{found}; give four numbers'
                return
            yield from check_box(box, size, lost)
        elif self.use.keypoints and not self.use.is_own and not box and not crowd:
            yield 'warning', 'no bbox', 'has no "bbox" and is left out; add one'
        if not self.use.is_own and (self.use.boxes or self.use.evaluated):
            area = one.get('area')
            if type(area) not in NUMBERS:
                yield 'error', 'area', f'has the "area" {short(area)}, which the library needs; add width x height'
            elif area is not None and not area > 0:
                yield 'warning', 'area 0', f'has the area {area} and is left out; correct it'
        if self.use.masks and one.get('segmentation') not in (None, [], {}):
            yield from check_mask(one, size, lost)
        elif self.use.masks and self.use.evaluated and not self.use.is_own and not crowd:
            yield 'error', 'no mask', 'has no "segmentation", which the metric segm needs; add it'
        if self.use.keypoints:
            yield from check_points(one, self._names_of(), size, self.use.is_own)

    def _names_of(self) -> list[Any]:
        """The lists of keypoints that the values may be for."""
        if self.use.points is not None:
            return [self.use.points]
        return [category['keypoints'] for category in self.coco.get('categories') or () if category.get('keypoints')]


def _named(one: Mapping[str, Any], i: int) -> str:
    return f'annotation {one["id"] if "id" in one else f"number {i + 1}"}'


def _is_dropped(one: Mapping[str, Any], width: Any, height: Any) -> bool:
    """Whether mmdet leaves an object out, for its box or its area."""
    x, y, w, h = one['bbox']
    is_inside = width is None or (min(x + w, width) > max(x, 0) and min(y + h, height) > max(y, 0))
    return bool(one.get('ignore')) or w < 1 or h < 1 or one.get('area', 1) <= 0 or not is_inside


def _content(one: Mapping[str, Any]) -> Any:
    """What makes an object, hashable; None where two objects may well have the same."""
    box, values = one.get('bbox'), one.get('keypoints')
    if not isinstance(box, list) and not isinstance(values, list):
        return None
    try:
        parts = (tuple(part) if isinstance(part, list) else None for part in (box, values))
        key = (one['image_id'], one.get('category_id'), *parts)
        hash(key)
    except TypeError:
        return None
    return key
