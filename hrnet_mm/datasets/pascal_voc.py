"""Reader of PASCAL VOC's format: an XML file with boxes for each image.

By hand, because supervision 0.31 keeps places in 32 bits and drops `difficult`.
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from ..annotations import Report
from ..errors import UserError
from .content import Annotations
from .format import Files, Format, Parts
from .images import images_by_stem, own_image
from .reading import Builder, checked
from .texts import line_of, listed_names, numbers, read_text, read_xml
from .writing import Target, lose_details, objects_of

__all__ = ['PASCAL_VOC']

_EDGES = ('xmin', 'ymin', 'xmax', 'ymax')


def _find(files: Files) -> list[Path]:
    return files.marked('.xml', lambda text: '<annotation>' in text[:1000])


def _build(path: Path, files: Sequence[Path], report: Report) -> Builder:
    built = Builder(path, path, report)
    images, parts = images_by_stem(path), _parts(path)
    for file in files:
        with report.collecting(path, 'xml'):
            root = read_xml(file)
            name = own_image(path, file, (root.findtext('filename') or '').strip(), images)
            size = None
            if (stated := root.find('size')) is not None:
                texts = [stated.findtext(key) for key in ('width', 'height')]
                size = numbers(texts, f'{file}: line {line_of(stated)}', 'the size')
                size = None if size == [0, 0] else size  # some tools leave it empty
            image = built.image(name, str(file), size, parts.get(file.stem))
            # The official files count pixels from 1 and name the last one; LabelImg and Roboflow write edges.
            first = 1 if (root.findtext('source/database') or '').strip().startswith('The VOC') else 0
            for one in root.iter('object'):
                with report.collecting(path, 'object'):
                    _read_object(built, image, file, one, first)
    built.sort_names(listed_names(path / 'labels.txt'), keep=True)
    return built


def _read_object(built: Builder, image: int, file: Path, one: ET.Element, first: int) -> None:
    where = f'{file}: line {line_of(one)}'
    name = (one.findtext('name') or '').strip()
    if not name:
        raise UserError(f'{where}: an object has no <name>; add the name of its class')
    if one.find('bndbox') is None:
        raise UserError(f'{where}: the object {name!r} has no <bndbox>; add xmin, ymin, xmax and ymax')
    left, top, right, bottom = numbers([one.findtext(f'bndbox/{key}') for key in _EDGES], where, 'a side of <bndbox>')
    left, top = left - first, top - first
    crowd = (one.findtext('difficult') or '').strip() == '1'
    built.add(image, name, where, box=[left, top, right - left, bottom - top], crowd=crowd)


def _parts(path: Path) -> dict[str, str]:
    """The part of each image that ImageSets/Main states."""
    found: dict[str, str] = {}
    for part in ('test', 'val', 'train'):
        for file in sorted(path.glob(f'**/ImageSets/Main/{part}.txt')):
            found |= {Path(line.split()[0]).stem: part for line in read_text(file).splitlines() if line.split()}
    return found


def _near(files: Files) -> tuple[int, str] | None:
    count = len(files.of('.xml'))
    return (count, 'no XML file begins with <annotation> (or <annotations>: CVAT, <dataset>: dlib)') if count else None


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report), annotations)


def _write(parts: Parts, target: Target) -> None:
    lose_details(target, parts, ['boxes', 'crowds', 'parts', 'order'])
    names = {one['id']: str(one['name']) for one in parts['train']['categories']}
    listed: dict[str, list[str]] = {part: [] for part in parts}
    for part, image, objects in objects_of(parts):
        place = target.copy(image, 'JPEGImages')
        listed[part].append(place.stem)
        root = ET.Element('annotation')
        ET.SubElement(root, 'filename').text = place.name
        size = ET.SubElement(root, 'size')
        for key in ('width', 'height'):
            ET.SubElement(size, key).text = str(image[key])
        ET.SubElement(size, 'depth').text = '3'
        for one in objects:
            if not one.get('bbox'):
                target.lose('objects without a box')
                continue
            entry = ET.SubElement(root, 'object')
            ET.SubElement(entry, 'name').text = names[one['category_id']]
            ET.SubElement(entry, 'difficult').text = str(int(bool(one.get('iscrowd'))))
            x, y, w, h = one['bbox']
            box = ET.SubElement(entry, 'bndbox')
            for key, value in zip(_EDGES, (x, y, x + w, y + h), strict=True):
                ET.SubElement(box, key).text = repr(value)
        ET.indent(root)
        target.write(f'Annotations/{place.stem}.xml', ET.tostring(root, 'unicode') + '\n')
    for part, stems in listed.items():
        target.write(f'ImageSets/Main/{part}.txt', ''.join(f'{stem}\n' for stem in stems))
    target.write('labels.txt', ''.join(f'{name}\n' for name in names.values()))


PASCAL_VOC = Format(
    name='voc',
    title='PASCAL VOC',
    holds=frozenset({'boxes'}),
    find=_find,
    kinds=lambda path, files: ['boxes'],
    read=_read,
    write=_write,
    near=_near,
)
