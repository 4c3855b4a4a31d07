"""Labels from one annotation format to another."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..annotations import Report
from ..errors import UserError, did_you_mean
from .content import Content
from .format import Format, Parts
from .formats import FORMATS, about, find_format, read_parts
from .labels import UNLABELED, check_semantic, label_array
from .masks import encode
from .points import read_points
from .writing import Target

__all__ = ['convert', 'read_all']


def read_all(path: Path, name: str | None = None) -> tuple[Format, Parts, list[str]]:
    """Read all labels of a folder, whatever task they are for.

    Args:
        path: The folder.
        name: The name of the format, in place of a search.

    Returns:
        The format, the parts, and the warnings of the check.

    Raises:
        UserError: No format fits, or the labels have mistakes.
    """
    form, files = find_format(path, None, name)
    report = Report()
    needs_labels = form.kinds(path, files) == ['regions']
    parts = read_parts(path, form, files, 'regions' if needs_labels else None, report)
    for content in parts.values():
        if any(category.get('keypoints') for category in content['categories']):
            read_points(files[0], content)
    if any('label_image' in image for image in parts['train']['images']):
        check_semantic(path, list(parts.values()), report)
    report.stop(f'hrnet-mm check {path} shows all')
    return form, parts, report.warnings


def convert(source: Path, folder: Path, to: str, name: str | None = None) -> tuple[str, Mapping[str, int], list[str]]:
    """Write the labels and the images of a folder in another format.

    Either the whole folder is there in the end, or nothing.

    Args:
        source: The folder with the labels.
        folder: The new folder.
        to: The name of the format.
        name: The name of the source's format, in place of a search.

    Returns:
        The source's format and content, what the other format could not hold with its numbers, and the warnings of the
        check.

    Raises:
        UserError: There is no such format, the labels have mistakes, or the folder is there already.
    """
    writable = [one.name for one in FORMATS.values() if one.write]
    if to not in writable:
        raise UserError(f'--to: cannot write the format {to!r}{did_you_mean(to, writable)}')
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f'{folder} is there already; name a new folder, so that nothing is overwritten')
    with TemporaryDirectory() as images:
        form, files = find_format(source, None, name)
        if form.unpack and form.unpack(source, files, Path(images)):
            return _convert(Path(images), folder, to, None)
        return _convert(source, folder, to, form.name)


def _convert(source: Path, folder: Path, to: str, name: str | None) -> tuple[str, Mapping[str, int], list[str]]:
    form, parts, warnings = read_all(source, name)
    partial = folder.with_name(f'.{folder.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    target = Target(source, partial)
    try:
        partial.mkdir(parents=True)
        write = FORMATS[to].write
        assert write is not None
        write(parts if to == 'masks' else _with_objects(source, parts, target), target)
        if folder.is_dir():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise UserError(f'{folder} cannot be written ({error.strerror}); nothing is kept of it') from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return about(form, parts), target.lost, warnings


def _with_objects(source: Path, parts: Parts, target: Target) -> Parts:
    """The content with an object for each class of a label image, for formats that have no label images."""
    if not any('label_image' in image for image in parts['train']['images']):
        return parts
    return {part: _objects_of_labels(source, content, target) for part, content in parts.items()}


def _objects_of_labels(source: Path, content: Content, target: Target) -> Content:
    annotations: list[dict[str, Any]] = []
    for image in content['images']:
        labels = label_array(source, content, image)
        target.lose('pixels that are unlabeled (255)', int((labels == UNLABELED).sum()))
        for one in content['categories']:
            mask = labels == one['id']
            if mask.any():
                ys, xs = np.flatnonzero(mask.any(1)).tolist(), np.flatnonzero(mask.any(0)).tolist()
                entry = {'id': len(annotations) + 1, 'image_id': image['id'], 'category_id': one['id'], 'iscrowd': 0}
                box = [xs[0], ys[0], xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1]
                annotations.append({**entry, 'bbox': box, 'segmentation': encode(mask), 'area': int(mask.sum())})
    images = [{key: value for key, value in image.items() if key != 'label_image'} for image in content['images']]
    return {'images': images, 'annotations': annotations, 'categories': content['categories']}
