"""Checks of PASCAL VOC's format: a list of images, each with a file of XML that has its objects."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..images import Header, read_headers
from .image_lists import Present, read_names
from .report import Report, listed
from .shapes import check_box
from .values import by

__all__ = ['check_voc']

_EDGES = ('xmin', 'ymin', 'xmax', 'ymax')


def check_voc(
    file: Path, labels: Path, images: Path, names: Sequence[str], turns: bool, report: Report
) -> Counter[str]:
    """Check a list of images, their files of XML, and the images.

    Args:
        file: The list, with the name of an image without `.jpg` on each line.
        labels: The folder of the files of XML.
        images: The folder of the images.
        names: The names of the classes.
        turns: Whether images are read as their EXIF orientation asks for.
        report: Takes the findings.

    Returns:
        The number of objects of each class, without difficult ones.
    """
    check = _Check(file, names, report)
    present, pairs = Present(), []
    for name in read_names(file, report):
        label, image = labels / f'{name}.xml', images / f'{name}.jpg'
        if label not in present:
            check.error(
                'no label', f'{label} does not exist, which must have the objects of {name!r} of {file}; add it'
            )
        if image not in present:
            check.error('missing', f'{image} does not exist, but {file} lists it; add it, or take it out of the list')
        if label in present and image in present:
            pairs.append((label, image))
    for (label, image), header in zip(pairs, read_headers([image for _, image in pairs]), strict=True):
        if isinstance(header, str):
            check.error(
                'image',
                f'{image} is not an image that can be read ({header}); replace it, or take it out of {file}',
            )
        else:
            check.labels(label, image, header, turns)
    check.left_out()
    return check.counts


class _Check:
    def __init__(self, file: Path, names: Sequence[str], report: Report) -> None:
        self.file, self.names, self.report = file, names, report
        self.counts: Counter[str] = Counter(dict.fromkeys(names, 0))
        self.others: Counter[str] = Counter()

    def error(self, kind: str, sentence: str) -> None:
        self.report.error(sentence, self.file, kind)

    def labels(self, file: Path, image: Path, header: Header, turns: bool) -> None:
        """Check a file of XML."""
        try:
            # The library reads the same file; expat bounds what its entities grow to.
            root = ET.parse(file).getroot()  # noqa: S314
        except (ET.ParseError, OSError, ValueError) as error:
            self.error('xml', f'{file} is not XML ({error}); correct it')
            return
        if not turns:
            header = Header(*header.stored)
        if (stated := root.find('size')) is not None:
            texts = [stated.findtext(key, '').strip() for key in ('width', 'height')]
            if not all(text.isdigit() for text in texts):
                self.error('side', f'{file} has the size {texts}; expected whole numbers of pixels')
                return
            size = [int(text) for text in texts]
            if contradiction := header.contradicts(size):
                self.error('size', f'{file} is for {by(size)} pixels, but {contradiction}')
                return
        for k, one in enumerate(root.findall('object'), 1):
            for level, kind, sentence in self.object(one, (header.width, header.height)):
                say = self.report.error if level == 'error' else self.report.warning
                say(f'{file}: object {k} {sentence}', self.file, kind)

    def object(self, one: ET.Element, size: tuple[int, int]) -> Iterator[tuple[str, str, str]]:
        """Count an object; yield level, kind and sentence of what is wrong with it."""
        name = one.findtext('name')
        if not name:
            yield 'error', 'name', 'has no <name>; add the name of its class'
            return
        if name not in self.counts:
            self.others[name] += 1
            return
        difficult = one.findtext('difficult', '0').strip()
        if difficult not in ('0', '1'):
            yield 'error', 'difficult', f'has <difficult> {difficult!r}; expected 0 or 1'
        try:
            edges = [int(float(one.findtext(f'bndbox/{key}', ''))) - 1 for key in _EDGES]
        except (ValueError, OverflowError):
            texts = [one.findtext(f'bndbox/{key}') for key in _EDGES]
            yield 'error', 'box', f'has a <bndbox> of {texts}; expected numbers of pixels in {", ".join(_EDGES)}'
            return
        yield from check_box([edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1]], size, 'error')
        self.counts[name] += difficult != '1'

    def left_out(self) -> None:
        """Tell the objects whose class is none of the config's."""
        if not self.others:
            return
        total = sum(self.others.values())
        unused = {name.strip().casefold(): name for name, count in self.counts.items() if not count}
        for other in self.others:
            if (name := unused.get(other.strip().casefold())) is not None:
                self.error(
                    'class',
                    f'{self.file}: no object is called {name!r}, as metainfo.classes of the config say, but '
                    f'{self.others[other]} are called {other!r}; write {other!r} for {name!r}',
                )
                return
        self.report.warning(
            f'{self.file}: {total} of {total + sum(self.counts.values())} objects are left out, because '
            f'metainfo.classes of the config have no {listed(list(self.others))}; add the names if they are to be '
            'learned'
        )
