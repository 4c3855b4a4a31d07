"""From what a reader finds in the files of a format to the content that all formats share."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..annotations import WHERE, Header, Report, Use, check_coco, read_headers
from ..annotations.clutter import without_clutter
from ..errors import UserError
from .content import Annotations, Content
from .format import IMAGE_SUFFIXES, Parts
from .masks import extent
from .turning import turned

__all__ = ['PARTS', 'Builder', 'checked', 'numbered', 'sized', 'split_parts', 'use_for']

PARTS = {
    **dict.fromkeys(('train', 'training'), 'train'),
    **dict.fromkeys(('val', 'valid', 'validation'), 'val'),
    **dict.fromkeys(('test', 'testing'), 'test'),
}
"""The parts that folders and lists of these names hold."""


class Builder:
    """The content of a folder while its files are read; places are in pixels.

    Attributes:
        path: The folder.
        file: The file or folder that has the labels, for sentences.
        classes: The names of the classes where the format lists them; without, they are those that occur, sorted.
        points: The names of the keypoints where the format lists them, else in the order of their occurrence.
        links: Pairs of keypoints, counted from 0, that are joined by lines.
        flips: The number of the keypoint that each becomes in a mirror image, where the format says so.
    """

    def __init__(self, path: Path, file: Path, report: Report, classes: Sequence[str] = ()) -> None:
        self.path, self.file, self.report = path, file, report
        self.classes = list(classes)
        self.points: list[str] = []
        self.links: list[tuple[int, int]] = []
        self.flips: list[int] = []
        self.label_values: dict[str, int] | None = None
        self.images: list[dict[str, Any]] = []
        self._objects: list[tuple[dict[str, Any], str, Mapping[str, Sequence[float]] | None]] = []
        self._tags: dict[int, tuple[str, str]] = {}

    def image(
        self,
        name: str,
        where: str,
        size: Sequence[float] | None = None,
        part: str | None = None,
        label_image: str | None = None,
    ) -> int:
        """Add an image and return its id.

        Args:
            name: Its path below the folder.
            where: The file and the line that name it.
            size: The width and height that the file states.
            part: The part that the format states.
            label_image: The path of its label image below the folder.
        """
        entry: dict[str, Any] = {'id': len(self.images) + 1, 'file_name': name, WHERE: f'{where}: image {name!r}'}
        entry |= {key: one for key, one in (('part', part), ('label_image', label_image)) if one is not None}
        if size is not None:
            entry |= {'width': size[0], 'height': size[1]}
        self.images.append(entry)
        return len(self.images)

    def add(
        self,
        image: int,
        name: str,
        where: str,
        box: Sequence[float] | None = None,
        outlines: Sequence[Sequence[float]] | None = None,
        mask: Mapping[str, Any] | None = None,
        points: Mapping[str, Sequence[float]] | None = None,
        crowd: bool = False,
    ) -> None:
        """Add an object.

        Args:
            image: The id of its image.
            name: Its class.
            where: The file and the line that describe it.
            box: x, y, width and height; without, that of the outlines.
            outlines: Polygons, x and y in turn.
            mask: Run lengths as in COCO.
            points: x, y and visibility by the names of keypoints.
            crowd: Whether it is neither learned nor measured.
        """
        entry: dict[str, Any] = {'image_id': image, WHERE: where}
        if outlines:
            entry['segmentation'] = [list(outline) for outline in outlines]
            if box is None:
                box = extent(outlines)
        elif mask is not None:
            entry['segmentation'] = dict(mask)
        if box is not None:
            entry['bbox'] = list(box)
        if crowd:
            entry['iscrowd'] = 1
        for point in points or ():
            if point not in self.points:
                self.points.append(point)
        self._objects.append((entry, name, points))

    def tag(self, image: int, name: str, where: str) -> None:
        """Say the class of an image.

        Raises:
            UserError: It has one already.
        """
        if image in self._tags and self._tags[image][0] != name:
            raise UserError(
                f'{where}: the image is {name!r} and {self._tags[image][0]!r}; a classifier learns one class for each '
                'image, so keep one'
            )
        self._tags[image] = name, where

    def sort_names(self, order: Sequence[str] = (), keep: bool = False) -> None:
        """Put the names that the files have in no order into that of a list, the others after them by the alphabet.

        Args:
            order: The list.
            keep: Whether the list is of classes alone, so that those without objects are classes too.
        """
        place = {name: i for i, name in enumerate(order)}
        self.points.sort(key=lambda name: (place.get(name, len(place)), name))
        used = {name for _, name, _ in self._objects} | set(order if keep else ())
        self.classes = sorted(used, key=lambda name: (place.get(name, len(place)), name))

    @property
    def holds(self) -> list[Annotations]:
        """The kinds of annotations that were found."""
        if self.label_values is not None:
            return ['regions']
        objects = [entry for entry, _, _ in self._objects]
        if any(points for _, _, points in self._objects):
            return ['keypoints']
        if not objects and self._tags:
            return ['classes']
        if objects and all('segmentation' in one for one in objects):
            return ['boxes', 'regions']
        return ['boxes']

    def content(self, annotations: Annotations | None) -> dict[str, Any]:
        """Images, annotations and categories in COCO's words.

        Args:
            annotations: 'classes' for the classes of images in place of objects.

        Raises:
            UserError: There is no label of the kind.
        """
        if annotations == 'classes' or (annotations is None and self.holds == ['classes']):
            return self._tagged()
        if not self._objects and self.label_values is None:
            raise UserError(f'{self.file} has {len(self.images)} images, but no object is labeled in them')
        names = self.classes or sorted({name for _, name, _ in self._objects})
        with_points = {name for _, name, points in self._objects if points}
        objects = []
        for entry, name, points in self._objects:
            if name not in names:
                self.report.error(
                    f'{entry[WHERE]} has the class {name!r}, which {self.file} does not list; it lists '
                    f'{", ".join(names[:10])}',
                    self.file,
                    'class',
                )
                continue
            values = [value for point in self.points for value in (points or {}).get(point, (0.0, 0.0, 0))]
            objects.append({**entry, 'category_id': names.index(name) + 1, **({'keypoints': values} if points else {})})
        categories: list[dict[str, Any]] = [{'id': i, 'name': name} for i, name in enumerate(names, 1)]
        for one in categories:
            if one['name'] in with_points:
                one |= {'keypoints': list(self.points), 'skeleton': [[a + 1, b + 1] for a, b in self.links]}
                one |= {'flip_indices': list(self.flips)} if self.flips else {}
        content = {'images': self.images, 'annotations': objects, 'categories': categories}
        return content if self.label_values is None else {**content, 'label_values': self.label_values}

    def _tagged(self) -> dict[str, Any]:
        names = sorted({name for name, _ in self._tags.values()})
        if len(names) < 2:
            raise UserError(f'{self.file} has classes of images for {len(names)} class; give two or more')
        images = [
            {**image, 'category_id': names.index(self._tags[image['id']][0])}
            for image in self.images
            if image['id'] in self._tags
        ]
        if len(images) < len(self.images):
            self.report.warning(
                f'{self.file}: {len(self.images) - len(images)} of {len(self.images)} images have no class and are '
                'left out; give them one'
            )
        return {
            'images': images,
            'annotations': [],
            'categories': [{'id': label, 'name': name} for label, name in enumerate(names)],
        }


def use_for(content: Content, annotations: Annotations | None) -> Use:
    """What is checked of a content for a kind of annotations, None for all there are."""
    objects = content['annotations']
    with_labels = any('label_image' in image for image in content['images'])
    return Use(
        is_own=True,
        boxes=annotations == 'boxes'
        or (annotations == 'regions' and not with_labels)
        or (annotations is None and any('bbox' in one for one in objects)),
        masks=annotations in ('boxes', None) or (annotations == 'regions' and not with_labels),
        keypoints=annotations == 'keypoints' or (annotations is None and any('keypoints' in one for one in objects)),
    )


def checked(built: Builder, annotations: Annotations | None) -> Parts:
    """Check the content of a folder against itself and its images, and divide it into its parts.

    Args:
        built: What was read.
        annotations: The kind that is needed; None for all there are.

    Raises:
        UserError: There are mistakes.
    """
    report = built.report
    report.stop()
    if not built.images:
        raise UserError(f'{built.file} is about no image of {built.path}')
    content = built.content(annotations)
    report.stop()
    if built.label_values is None:
        _report_unlisted(built)
    files = [built.path / image['file_name'] for image in content['images']]
    headers = check_coco(built.file, content, use_for(content, annotations), files, report)
    report.stop()
    of_image = {image['id']: header for image, header in zip(content['images'], headers, strict=True)}
    return {
        part: numbered(one, [image['file_name'] for image in one['images']], [of_image[i['id']] for i in one['images']])
        for part, one in split_parts(built.file, content, report).items()
    }


def _report_unlisted(built: Builder) -> None:
    """Tell images that lie beside labeled ones, and that no label file is about."""
    listed = {built.path / image['file_name'] for image in built.images}
    beside = [
        file
        for folder in sorted({file.parent for file in listed})
        for file in without_clutter(folder, sorted(folder.iterdir()))
        if file.suffix.lower() in IMAGE_SUFFIXES and file not in listed and file.is_file()
    ]
    if beside:
        built.report.warning(
            f'{built.file}: {len(beside)} of {len(beside) + len(listed)} images have no labels and are left out, first '
            f'{beside[0]}; label them if they show objects'
        )


def split_parts(file: Path, content: Content, report: Report) -> dict[str, Content]:
    """Divide images into the parts that the format states, or the names of their folders."""
    of_part: dict[str, list[Any]] = {}
    for image in content['images']:
        folders = (PARTS.get(one.lower()) for one in PurePosixPath(image['file_name']).parts[:-1])
        part = image.get('part') or next((one for one in folders if one), 'train')
        of_part.setdefault(part, []).append(image)
    if test := of_part.pop('test', None):
        if not of_part:
            of_part['train'] = test
        else:
            report.warning(f'{file}: {len(test)} images of the test part are neither learned nor measured')
    if 'train' not in of_part:
        of_part = {'train': of_part['val']}
    found: dict[str, Content] = {}
    for part in ('train', 'val'):
        if part in of_part:
            ids = {image['id'] for image in of_part[part]}
            objects = [one for one in content['annotations'] if one['image_id'] in ids]
            found[part] = {**content, 'images': of_part[part], 'annotations': objects}
    return found


def numbered(content: Content, names: Sequence[Any], headers: Sequence[Any]) -> Content:
    """Number images, annotations and categories anew from 1: COCO's evaluator takes an annotation of id 0 for none.

    Args:
        content: The checked content.
        names: The path of each image below the folder.
        headers: The header of each image.
    """
    with_objects = not any('category_id' in image for image in content['images'])
    categories = sorted(content['categories'], key=lambda category: category['id'])
    category_ids = {one['id']: number for number, one in enumerate(categories, 1 if with_objects else 0)}
    image_ids = {one['id']: number for number, one in enumerate(content['images'], 1)}
    hidden = (WHERE, 'part')
    before_turn = {
        image['id']: header
        for image, header in zip(content['images'], headers, strict=True)
        if header.is_before_turn((image.get('width'), image.get('height')))
    }
    return {
        **{key: value for key, value in content.items() if key == 'label_values'},
        'images': [
            {
                **{key: value for key, value in image.items() if key not in hidden},
                **{'id': number, 'file_name': name, 'width': header.width, 'height': header.height},
            }
            for number, (image, name, header) in enumerate(zip(content['images'], names, headers, strict=True), 1)
        ],
        'annotations': [
            {
                **{key: value for key, value in _turned(one, before_turn).items() if key not in hidden},
                'id': number,
                'image_id': image_ids[one['image_id']],
                'category_id': category_ids[one['category_id']],
                'iscrowd': int(one.get('iscrowd') or 0),
            }
            for number, one in enumerate(content['annotations'], 1)
        ],
        'categories': [{**one, 'id': category_ids[one['id']]} for one in categories],
    }


def _turned(one: Content, before_turn: Mapping[Any, Header]) -> Content:
    """An object of an image that was labeled as it is stored, turned as the image is."""
    header = before_turn.get(one['image_id'])
    return one if header is None else turned(one, header)


def sized(path: Path, images: Sequence[Mapping[str, Any]], report: Report) -> list[tuple[dict[str, Any], Header]]:
    """The entries of images with `width` and `height`, and their headers; files that are no images are mistakes."""
    found = []
    for image, header in zip(images, read_headers([path / image['file_name'] for image in images]), strict=True):
        if isinstance(header, str):
            report.error(
                f'{path / image["file_name"]} is not an image that can be read ({header}); replace or remove it',
                path,
                'image',
            )
        else:
            found.append(({**image, 'width': header.width, 'height': header.height}, header))
    return found
