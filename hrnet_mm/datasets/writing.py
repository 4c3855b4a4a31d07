"""The folder that labels are written to in another format, and the account of what that format cannot hold."""

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from .content import Content
from .format import Parts
from .masks import area, extent, outlines, pixels
from .reading import PARTS

__all__ = ['Target', 'box_to_draw', 'joined', 'labeled_points', 'lose_details', 'objects_of', 'to_outlines']

_SEPARATE = {*PARTS, 'images', 'labeled-data', 'jpegimages', 'imgs', 'img_dir', 'leftimg8bit'}


class Target:
    """A folder that is written.

    Attributes:
        source: The folder that is read.
        folder: The folder.
        lost: What the format cannot hold, and how often it was there.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        self.lost: Counter[str] = Counter()
        self.source = source
        self._names: dict[str, str] = {}

    def name(self, image: Content) -> str:
        """The name of an image's file, without folders: those that are no parts are joined to it by two underscores.

        Two images that would get one name are numbered.
        """
        old = image['file_name']
        if old not in self._names:
            path = PurePosixPath(old)
            kept = [one for one in path.parts[:-1] if one.lower() not in _SEPARATE]
            stem = '__'.join([*kept, path.stem])
            taken = {PurePosixPath(one).stem for one in self._names.values()}
            count = 1
            while stem in taken:
                count += 1
                stem = '__'.join([*kept, f'{path.stem}-{count}'])
            self._names[old] = stem + path.suffix
        return self._names[old]

    def copy(self, image: Content, folder: str) -> Path:
        """Copy an image into a folder below the target; return its new path."""
        place = self.folder / folder / self.name(image)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.source / image['file_name'], place)
        return place

    def write(self, name: str, text: str) -> None:
        """Write a text file below the target."""
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding='utf-8')

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file below the target."""
        self.write(name, json.dumps(content, indent=1))

    def write_rows(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        """Write a table below the target."""
        text = io.StringIO()
        csv.writer(text, lineterminator='\n').writerows(rows)
        self.write(name, text.getvalue())

    def write_image(self, name: str, values: Any) -> None:
        """Write an image of one number for each pixel as a PNG below the target."""
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(place)

    def lose(self, what: str, count: int = 1) -> None:
        """Count something that the format cannot hold."""
        if count:
            self.lost[what] += count


def objects_of(parts: Parts) -> Iterator[tuple[str, Content, list[Content]]]:
    """The part, the image and the objects of each image."""
    for part, content in parts.items():
        of_image: dict[Any, list[Content]] = {}
        for one in content['annotations']:
            of_image.setdefault(one['image_id'], []).append(one)
        for image in content['images']:
            yield part, image, of_image.get(image['id'], [])


def to_outlines(target: Target, one: Content, image: Content) -> list[list[float]]:
    """The polygons of an object; of run lengths, those along the edges of the pixels."""
    shape = one.get('segmentation')
    if not shape or isinstance(shape, list):
        return shape or []
    size = image['height'], image['width']
    mask = pixels(shape, size)
    found = outlines(mask)
    target.lose('pixels of masks, which become polygons', int((pixels(found, size) != mask).sum()))
    return found


def box_to_draw(one: Content, shapes: Sequence[Sequence[float]]) -> Sequence[float] | None:
    """The box of an object; None where it is that of its polygons, so that a reader finds it again."""
    box: Sequence[float] | None = one.get('bbox')
    if box and shapes and all(abs(a - b) < 1e-6 for a, b in zip(extent(shapes), box, strict=True)):
        return None
    return box


def labeled_points(category: Content, one: Content) -> list[tuple[str, float, float, int]]:
    """Name, x, y and visibility of the labeled keypoints of an object."""
    points = one.get('keypoints') or []
    of_point = zip(category.get('keypoints') or (), points[::3], points[1::3], points[2::3], strict=False)
    return [found for found in of_point if found[3]]


def joined(target: Target, shapes: Sequence[Sequence[float]], image: Content) -> list[float]:
    """One polygon in place of several, with lines there and back between them."""
    if len(shapes) < 2:
        return list(shapes[0]) if shapes else []
    starts = [list(shape[:2]) for shape in shapes]
    there = [value for shape in shapes for value in (*shape, *shape[:2])]
    whole = there + [value for start in starts[-2::-1] for value in start]  # back along the same lines
    size = image['height'], image['width']
    target.lose('objects of several polygons, which are joined by lines to one')
    target.lose('pixels on the lines between them', int((pixels([whole], size) != pixels(list(shapes), size)).sum()))
    return whole


def lose_details(target: Target, parts: Parts, kept: Sequence[str]) -> None:
    """Count what objects, images and categories have besides what a format keeps.

    Args:
        target: Counts.
        parts: The content.
        kept: Of 'boxes', 'masks', 'keypoints', 'visibility', 'crowds', 'parts', 'skeleton', 'order', those
            that it keeps.
    """
    known = {'id', 'file_name', 'width', 'height', 'category_id', 'label_image', 'seg_file_name'}
    own = {'id', 'image_id', 'category_id', 'bbox', 'segmentation', 'keypoints', 'num_keypoints', 'iscrowd', 'area'}
    for content in parts.values():
        for image in content['images']:
            for key in image.keys() - known:
                target.lose(f'entries "{key}" of images')
        for one in content['annotations']:
            for key in one.keys() - own:
                target.lose(f'entries "{key}" of objects')
            _lose_of_object(target, one, kept)
    categories = parts['train']['categories']
    for one in categories:
        for key in one.keys() - {'id', 'name', 'keypoints', 'skeleton', 'flip_indices'}:
            target.lose(f'entries "{key}" of classes')
        if 'skeleton' not in kept:
            target.lose('lines between keypoints', len(one.get('skeleton') or ()))
            target.lose('keypoints with a partner in the mirror image', len(one.get('flip_indices') or ()))
    if 'parts' not in kept and 'val' in parts:
        target.lose('images of the validation part, which is not kept apart', len(parts['val']['images']))
    if 'order' not in kept:
        used = {one['category_id'] for content in parts.values() for one in content['annotations']}
        target.lose('classes without objects', sum(one['id'] not in used for one in categories))
        names = [one['name'] for one in categories]
        target.lose('classes whose order becomes that of the alphabet', len(names) if names != sorted(names) else 0)


def _lose_of_object(target: Target, one: Content, kept: Sequence[str]) -> None:
    points, shape, box = one.get('keypoints'), one.get('segmentation'), one.get('bbox')
    if points and 'keypoints' not in kept:
        target.lose('objects with keypoints')
    elif points and 'visibility' not in kept:
        target.lose('keypoints that are hidden, not only unlabeled', sum(visible == 1 for visible in points[2::3]))
    if shape and 'masks' not in kept:
        target.lose('masks of objects')
    if box and 'boxes' not in kept:
        target.lose('boxes of objects')
    if one.get('iscrowd') and 'crowds' not in kept:
        target.lose('marks "iscrowd" or "difficult"')
    if one.get('area') and box:
        usual = area(shape) if shape and 'masks' in kept else box[2] * box[3]
        target.lose('areas that are not those of the shapes', int(abs(one['area'] - usual) > 1e-3))
