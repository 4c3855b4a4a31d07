"""Check of one COCO file: what it says twice, what it lacks, and what contradicts its images."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from pathlib import Path
from typing import Any, TypeGuard

from .headers import Header, read_headers
from .report import Report, listed

__all__ = ['Use', 'check_coco', 'check_structure', 'count_labels', 'read_json']

_NUMBERS = {int, float}
_MOST = 1e15
_FAR = 5.0
"""Pixels by which a box may differ from the mask or the points in it, however small they are."""


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
        ValueError: It is not JSON.
    """
    return json.loads(file.read_bytes())


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
            report.error(f'{file}: "{key}" is no list of entries but {_short(entries)}; {formats}')
            continue
        for i, one in enumerate(entries):
            if not isinstance(one, dict):
                report.error(f'{file}: entry {i} of "{key}" is {_short(one)}; expected {{...}}', file, key, 'entry')
            elif name is None:
                continue
            elif 'id' not in one or name not in one:
                report.error(
                    f'{file}: an entry of "{key}" has no "id" or no "{name}": {_short(one)}; add it', file, key, name
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
                    f'{files[i]} is not an image that OpenCV can read ({header}); replace it, or take it out of '
                    f'{self.file}',
                )
            else:
                headers[i] = header
        for image, known in zip(self.coco['images'], headers, strict=True):
            size = self._size(image, known)
            if _hashable(image['id']):
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
        category_ids = {one['id'] for one in self.coco.get('categories') or () if _hashable(one['id'])}
        counts: Counter[int] = Counter()
        seen: dict[Any, int] = {}
        for i, one in enumerate(annotations):
            where = f'{self.file}: annotation {one["id"] if "id" in one else f"number {i + 1}"}'
            if not self._references(where, one, category_ids):
                continue
            for level, kind, sentence in self._annotation(one):
                say = self.report.error if level == 'error' else self.report.warning
                say(f'{where} {sentence}', self.file, kind)
            if self.use.keypoints and isinstance(one.get('keypoints'), list) and one['keypoints']:
                counts[len(one['keypoints'])] += 1
            key = _content(one)
            if key is not None and (first := seen.setdefault(key, i)) != i:
                self.report.warning(
                    f'{where} is the same object as annotation {annotations[first].get("id", f"number {first + 1}")}; '
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
            if not _is_id(value, self.use.is_own):
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
        where = f'{self.file}: image {image["file_name"]!r}'
        if any(value is not None and not _is_side(value) for value in stated):
            self._error(
                'side', f'{where} has width {stated[0]!r} and height {stated[1]!r}; expected whole numbers above 0'
            )
            return None
        if None in stated and self.use.sizes and not self.use.is_own:
            self._error('no side', f'{where} has no "width" or no "height", which the library needs; add both')
        if header is None:
            return None if None in stated else (float(stated[0] or 0), float(stated[1] or 0))
        found = header.width, header.height
        if not self.use.turns:
            found = header.stored
            header = Header(*found)
        if any(mine is not None and mine != its for mine, its in zip(stated, found, strict=True)):
            turned = header.orientation >= 5 and stated in (found[::-1], (found[1], None), (None, found[0]))
            why = (
                f', because its EXIF orientation {header.orientation} turns it; label the turned image, or store it '
                'without an orientation'
                if turned
                else '; correct the numbers, or label the image that is there'
            )
            self._error(
                'size', f'{where} is {_by(stated)} pixels in the file, but the image is read as {_by(found)}{why}'
            )
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
        left = {one['id'] for one in self.coco['categories'] if one['name'] not in wanted and _hashable(one['id'])}
        count = sum(_hashable(one.get('category_id')) and one.get('category_id') in left for one in self._objects())
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
            self._error('points', f'{where} has "keypoints" {_short(names)}; expected a list of names')
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
            if not _is_id(value, False):
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
            if not _hashable(value) or value not in allowed:
                as_text = _hashable(value) and any(str(value) == str(other) for other in allowed)
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
            yield 'error', 'iscrowd', f'has "iscrowd" {_short(crowd)}; expected 0 or 1'
        if self.use.evaluated and not self.use.is_own and 'iscrowd' not in one:
            yield 'error', 'no iscrowd', 'has no "iscrowd", which COCO\'s evaluator needs; add 0'
        box = one.get('bbox')
        if self.use.boxes or (self.use.keypoints and box):
            if not _are_numbers(box, 4):
                found = f' but {_short(box)}' if box else ''
                yield 'error', 'bbox', f'has no "bbox" of [x, y, width, height]{found}; give four numbers'
                return
            yield from self._box(box, size, lost)
        elif self.use.keypoints and not self.use.is_own and not box and not crowd:
            yield 'warning', 'no bbox', 'has no "bbox" and is left out; add one'
        if not self.use.is_own and (self.use.boxes or self.use.evaluated):
            area = one.get('area')
            if type(area) not in _NUMBERS:
                yield 'error', 'area', f'has the "area" {_short(area)}, which the library needs; add width x height'
            elif area is not None and not area > 0:
                yield 'warning', 'area 0', f'has the area {area} and is left out; correct it'
        if self.use.masks and one.get('segmentation') not in (None, [], {}):
            yield from self._mask(one, size, lost)
        elif self.use.masks and self.use.evaluated and not self.use.is_own and not crowd:
            yield 'error', 'no mask', 'has no "segmentation", which the metric segm needs; add it'
        if self.use.keypoints:
            yield from self._points(one, size)

    def _box(self, box: Sequence[float], size: Any, lost: str) -> Iterator[tuple[str, str, str]]:
        x, y, width, height = box
        if width < 1 or height < 1:
            yield lost, 'small', f'has a box {list(box)} of less than one pixel and is lost; correct or remove it'
            return
        if size is None:
            return
        inside_w, inside_h = min(x + width, size[0]) - max(x, 0), min(y + height, size[1]) - max(y, 0)
        if inside_w <= 0 or inside_h <= 0:
            yield (
                lost,
                'outside',
                f'has a box {list(box)} outside of its image of {_by(size)} pixels and is lost; correct or remove it',
            )
        elif inside_w * inside_h < 0.5 * width * height:
            yield (
                'warning',
                'half outside',
                f'has a box {list(box)} that is mostly outside of its image of {_by(size)} pixels; '
                'see whether it is [x, y, width, height] in pixels',
            )

    def _mask(self, one: Mapping[str, Any], size: Any, lost: str) -> Iterator[tuple[str, str, str]]:
        shape = one['segmentation']
        if isinstance(shape, dict):
            yield from _run_lengths(shape, size)
            return
        outlines = shape if isinstance(shape, list) and all(isinstance(part, list) for part in shape) else None
        if outlines is None:
            yield (
                'error',
                'mask',
                f'has a "segmentation" {_short(shape)}; expected a list of polygons [[x, y, ...], ...]',
            )
            return
        for outline in outlines:
            if len(outline) < 6 or len(outline) % 2 or not _are_numbers(outline):
                yield (
                    'error',
                    'polygon',
                    f'has a polygon of {len(outline)} values, {_short(outline)}; expected x, y of three points or more',
                )
                return
        if not any(_encloses(outline) for outline in outlines):
            yield lost, 'flat', 'has polygons that enclose nothing, so its mask is empty; correct or remove it'
            return
        xs, ys = [x for part in outlines for x in part[::2]], [y for part in outlines for y in part[1::2]]
        edges = min(xs), min(ys), max(xs), max(ys)
        if size is not None and (edges[2] <= 0 or edges[3] <= 0 or edges[0] >= size[0] or edges[1] >= size[1]):
            yield lost, 'mask outside', f'has a mask outside of its image of {_by(size)} pixels; correct or remove it'
        elif _are_numbers(box := one.get('bbox'), 4) and _differs(box, edges):
            found = [
                round(edges[0], 1),
                round(edges[1], 1),
                round(edges[2] - edges[0], 1),
                round(edges[3] - edges[1], 1),
            ]
            yield 'warning', 'box of mask', f'has the box {box}, but its mask is in {found}; see which is right'

    def _points(self, one: Mapping[str, Any], size: Any) -> Iterator[tuple[str, str, str]]:
        values = one.get('keypoints')
        if not values and (values is None or isinstance(values, list)):
            names = self._names_of(one)
            if not one.get('iscrowd') and any(names):
                yield 'warning', 'no points', 'has no "keypoints" and is left out; add them, or remove it'
            return
        if not _are_numbers(values):
            yield 'error', 'points', f'has "keypoints" {_short(values)}; expected numbers: x, y and visibility of each'
            return
        expected = {3 * len(names) for names in self._names_of(one) if isinstance(names, list | tuple)}
        if len(values) % 3 or (expected and len(values) not in expected):
            count = next(iter(expected)) // 3 if expected else None
            needed = (
                'x, y and visibility of each'
                if count is None
                else f'{count} keypoints need {3 * count}: x, y and visibility of each'
            )
            yield 'error', 'values', f'has {len(values)} values in "keypoints"; {needed}'
            return
        if not set(values[2::3]) <= {0, 1, 2}:
            wrong = next(value for value in values[2::3] if value not in (0, 1, 2))
            level = 'error' if self.use.is_own else 'warning'
            yield level, 'visibility', f'has a visibility {wrong} in "keypoints"; expected 0, 1 or 2 after each x and y'
            return
        seen = [(x, y) for x, y, visible in zip(values[::3], values[1::3], values[2::3], strict=True) if visible]
        if seen and not self.use.is_own and one.get('num_keypoints', 1) == 0:
            yield 'warning', 'num', f'has "num_keypoints" 0 and is left out, but {len(seen)} are labeled; correct it'
        if size is not None:
            out = sum(not (-1 <= x <= size[0] and -1 <= y <= size[1]) for x, y in seen)
            if out:
                yield (
                    'warning',
                    'point outside',
                    f'has {out} labeled keypoint{"s"[: out != 1]} outside of its image of {_by(size)} pixels; '
                    'correct the place, or set visibility 0',
                )
        box = one.get('bbox')
        if seen and _are_numbers(box, 4):
            margin = max(_FAR, 0.1 * max(box[2:]))
            inside = sum(
                box[0] - margin <= x <= box[0] + box[2] + margin and box[1] - margin <= y <= box[1] + box[3] + margin
                for x, y in seen
            )
            if not inside:
                yield (
                    'warning',
                    'box of points',
                    f'has the box {box}, but none of its keypoints is in it; correct it',
                )

    def _names_of(self, one: Mapping[str, Any]) -> list[Any]:
        """The lists of keypoints that the values may be for."""
        if self.use.points is not None:
            return [self.use.points]
        return [category['keypoints'] for category in self.coco.get('categories') or () if category.get('keypoints')]


def _run_lengths(shape: Mapping[str, Any], size: Any) -> Iterator[tuple[str, str, str]]:
    """Check COCO's run-length encoding; a text has the lengths in characters of six bits."""
    sides, counts = shape.get('size'), shape.get('counts')
    if not _are_numbers(sides, 2) or not isinstance(counts, list | str) or (counts and not _are_lengths(counts)):
        yield (
            'error',
            'rle',
            f'has a "segmentation" {_short(shape)}; expected {{"size": [height, width], "counts": ...}}',
        )
        return
    if size is not None and (sides[1], sides[0]) != size:
        yield 'error', 'rle', f'has a mask of {_by((sides[1], sides[0]))} pixels in an image of {_by(size)}; correct it'
        return
    total = sum(counts if isinstance(counts, list) else _decoded(counts))
    if total != sides[0] * sides[1]:
        yield 'error', 'rle', f'has a mask with run lengths for {total} pixels, but size {sides}; encode it anew'


def _are_lengths(counts: Any) -> bool:
    if isinstance(counts, str):
        return all('0' <= character < 'p' for character in counts)
    return set(map(type, counts)) == {int} and min(counts) >= 0


def _decoded(text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


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


def _differs(box: Sequence[float], edges: Sequence[float]) -> bool:
    """Whether an edge is further away than half the box's side."""
    x, y, width, height = box
    given = (x, y, x + width, y + height)
    return any(
        abs(mine - its) > max(_FAR, 0.5 * side)
        for mine, its, side in zip(given, edges, (width, height, width, height), strict=True)
    )


def _encloses(outline: Sequence[float]) -> bool:
    xs, ys = outline[::2], outline[1::2]
    doubled: float = sum(map(mul, xs, [*ys[1:], ys[0]])) - sum(map(mul, ys, [*xs[1:], xs[0]]))
    return abs(doubled) > 1e-6


def _are_numbers(values: Any, count: int | None = None) -> TypeGuard[list[float]]:
    """Whether a list, which is not empty, holds finite numbers, and as many as `count`."""
    if not isinstance(values, list | tuple) or not values or (count is not None and len(values) != count):
        return False
    if not set(map(type, values)) <= _NUMBERS:
        return False
    least, most = min(values), max(values)
    return bool(least > -_MOST and most < _MOST and math.isfinite(sum(values)))


def _is_id(value: Any, texts: bool) -> bool:
    if type(value) is float:
        return value.is_integer()
    return type(value) is int or (texts and type(value) is str)


def _is_side(value: Any) -> bool:
    return type(value) in _NUMBERS and 0 < value < 1e9 and value == int(value)


def _hashable(value: Any) -> bool:
    return isinstance(value, str | int | float | type(None))


def _by(size: Sequence[Any]) -> str:
    return ' x '.join(f'{value:g}' if isinstance(value, int | float) else '?' for value in size)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 100 else f'{text[:90]}...'
