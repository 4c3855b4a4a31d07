"""Checks of OpenMMLab's own format: a JSON file with the classes, and a list of images with their labels or objects."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..images import Header, read_headers
from .coco import read_json
from .image_lists import Present
from .report import Report
from .shapes import check_box, check_mask
from .values import are_numbers, by, short

__all__ = ['DataList', 'Labels', 'check_data_list', 'read_data_list']

Labels = Literal['class', 'classes', 'objects']
"""What each image has: the number of its class, the numbers of its classes, or objects with a box and such a number."""

_FORMAT = 'expected {"metainfo": {"classes": [...]}, "data_list": [{"img_path": ...}, ...]}'


class DataList(NamedTuple):
    """The content of a file; `classes` are None if it names none."""

    file: Path
    classes: tuple[str, ...] | None
    entries: list[dict[str, Any]]


def read_data_list(file: Path, report: Report) -> DataList | None:
    """Read a JSON file in OpenMMLab's format.

    Args:
        file: The file.
        report: Takes the findings.

    Returns:
        Its content; None if it has another format.
    """
    try:
        content: Any = read_json(file)
    except (ValueError, OSError, RecursionError) as error:
        report.error(f'{file} is not JSON ({error}); {_FORMAT}')
        return None
    for key, kind in (('metainfo', dict), ('data_list', list)):
        if not isinstance(content, dict) or not isinstance(content.get(key), kind):
            report.error(f'{file}: "{key}" is missing or has another form; {_FORMAT}')
            return None
    entries, metainfo = content['data_list'], content['metainfo']
    if not entries:
        report.error(f'{file}: "data_list" is empty; {_FORMAT}')
        return None
    if wrong := [i for i, one in enumerate(entries) if not isinstance(one, dict)]:
        report.error(f'{file}: entry {wrong[0]} of "data_list" is {short(entries[wrong[0]])}; {_FORMAT}')
        return None
    names = metainfo.get('classes')
    if names is None and isinstance(categories := metainfo.get('categories'), list):
        try:
            names = [one['category_name'] for one in sorted(categories, key=lambda one: one['id'])]
        except (KeyError, TypeError):
            report.error(f'{file}: "categories" of "metainfo" need an "id" and a "category_name" each')
            return None
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        report.error(f'{file}: "classes" of "metainfo" are {short(names)}; expected a list of names')
        return None
    for name, count in Counter(names or ()).items():
        if count > 1:
            report.error(f'{file}: "classes" of "metainfo" have {name!r} {count} times; give each a name of its own')
    return DataList(file, tuple(names) if names else None, entries)


def check_data_list(
    data: DataList,
    folder: Path,
    names: Sequence[str],
    labels: Labels | None,
    report: Report,
    masks: bool = False,
    turns: bool = True,
) -> Counter[str] | None:
    """Check the entries of a file in OpenMMLab's format, and their images.

    Args:
        data: The content of the file.
        folder: The folder of the images.
        names: The names of the classes; empty if they are not known.
        labels: What each image has; None if that is not known.
        report: Takes the findings.
        masks: Whether the masks of objects are read.
        turns: Whether images are read as their EXIF orientation asks for.

    Returns:
        How often each class occurs; None if it is not known what the images have.
    """
    check = _Check(data.file, names, masks, report)
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    first: dict[str, tuple[int, Any]] = {}
    present, files, entries = Present(), [], []
    for i, one in enumerate(data.entries):
        where = f'{data.file}: entry {i} of "data_list"'
        name, values = one.get('img_path'), one.get('instances' if labels == 'objects' else 'gt_label')
        if not isinstance(name, str) or not name:
            check.error('img_path', f'{where} has the "img_path" {name!r}; it must be a text')
            continue
        before, its = first.setdefault(name, (i, values))
        if before != i:
            say = report.warning if its == values else report.error
            why = 'again, so that it counts twice; remove one' if its == values else f'with {short(its)} there'
            say(f'{where} is the image {name!r} of entry {before} {why}', data.file, 'twice', its == values)
        elif (image := folder / name) in present:
            files.append(image)
            entries.append((where, one))
        else:
            check.error(
                'missing', f'{image} does not exist, but {data.file} lists it; correct data_prefix, or the file'
            )
        if labels in ('class', 'classes'):
            counts.update(check.classes(where, values, labels == 'classes'))
    for file, (where, one), header in zip(files, entries, read_headers(files), strict=True):
        if isinstance(header, str):
            check.error(
                'image',
                f'{file} is not an image that can be read ({header}); replace it, or take it out of {data.file}',
            )
        elif labels == 'objects':
            counts.update(check.objects(where, one, header if turns else Header(*header.stored)))
    return counts if labels else None


class _Check:
    """Checks of the values of entries, which yield the names of the classes that occur."""

    def __init__(self, file: Path, names: Sequence[str], masks: bool, report: Report) -> None:
        self.file, self.names, self.masks, self.report = file, names, masks, report

    def error(self, kind: str, sentence: str) -> None:
        self.report.error(sentence, self.file, kind)

    def classes(self, where: str, value: Any, several: bool) -> Iterator[str]:
        """The number of the class of an image, or the numbers of its classes."""
        given = value if isinstance(value, list) else [value]
        if any(type(one) is not int for one in given) or (len(given) != 1 and not several):
            expected = 'a list of numbers of classes' if several else 'the number of a class'
            self.error('gt_label', f'{where} has the "gt_label" {short(value)}; expected {expected}')
        elif len(set(given)) < len(given):
            self.error('gt_label twice', f'{where} has the "gt_label" {short(value)}; give each class once')
        else:
            for number in given:
                yield from self.name_of(f'{where} has the "gt_label"', number)

    def objects(self, where: str, entry: Mapping[str, Any], header: Header) -> Iterator[str]:
        """The objects of an image; those to be ignored have no class."""
        stated = entry.get('width'), entry.get('height')
        if None in stated:
            self.report.warning(
                f'{where} has no "width" or no "height", by which the library puts images together; add both',
                self.file,
                'no side',
            )
        if contradiction := header.contradicts(stated):
            self.error('size', f'{where} is {by(stated)} pixels in the file, but {contradiction}')
        instances = entry.get('instances')
        if not isinstance(instances, list) or not all(isinstance(one, dict) for one in instances):
            self.error('instances', f'{where} has the "instances" {short(instances)}; expected a list of objects')
            return
        for k, one in enumerate(instances):
            yield from self.object(f'{where}: instance {k}', one, (header.width, header.height))

    def object(self, where: str, one: Mapping[str, Any], size: tuple[int, int]) -> Iterator[str]:
        box, number, ignored = one.get('bbox'), one.get('bbox_label'), one.get('ignore_flag')
        if not are_numbers(box, 4):
            self.error('bbox', f'{where} has the "bbox" {short(box)}; expected [x1, y1, x2, y2]')
        elif type(number) is not int:
            self.error('bbox_label', f'{where} has the "bbox_label" {short(number)}; expected the number of a class')
        elif ignored not in (0, 1):
            self.error('ignore_flag', f'{where} has the "ignore_flag" {short(ignored)}; expected 0 or 1')
        else:
            of_coco = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            found = list(check_box(of_coco, size, 'error'))
            if self.masks:
                found += check_mask({'segmentation': one.get('mask'), 'bbox': of_coco}, size, 'error')
            for level, kind, sentence in found:
                say = self.report.error if level == 'error' else self.report.warning
                say(f'{where} {sentence}', self.file, kind)
            if not ignored:
                yield from self.name_of(f'{where} has the "bbox_label"', number)

    def name_of(self, where: str, number: int) -> Iterator[str]:
        if number in range(len(self.names)):
            yield self.names[number]
        elif self.names or number < 0:
            count = len(self.names)
            allowed = f'there are {count} classes, 0 to {count - 1}' if count else 'labels begin with 0'
            self.error('label', f'{where} {number}, but {allowed}; correct it')
