"""Reader of COCO files."""

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..annotations import Header, Report, Use, check_coco, check_structure, read_headers, read_json
from ..annotations.clutter import without_clutter
from ..errors import UserError
from .content import FORMATS, Annotations, Content

_OTHER = ('panoptic', 'captions', 'stuff', 'image_info', 'test')  # in names of files with other annotations
_LISTS = ('images', 'annotations', 'categories')


def find_coco(path: Path, kind: str) -> dict[str, Path]:
    """Find the files of the parts 'train' and 'val', or one file as 'train'; none where there is no .json file.

    Args:
        path: The folder.
        kind: 'keypoints' or 'instances'; of several files for a part, the one with it in its name is taken.

    Raises:
        UserError: Several files could be the annotations of a part.
    """
    patterns = ('*.json', 'annotations/*.json', 'train/*.json', 'val/*.json', 'valid/*.json')
    files = [file for pattern in patterns for file in without_clutter(path, sorted(path.glob(pattern)))]
    names = [file.relative_to(path).as_posix() for file in files]
    names = [name for name in names if not any(other in name for other in _OTHER)]
    train, val = ([name for name in names if part in name] for part in ('train', 'val'))
    if not train and not val:
        train = names
    found = {}
    for part, candidates in (('train', train), ('val', val)):
        fitting = [name for name in candidates if kind in name] if len(candidates) > 1 else candidates
        if len(fitting) > 1 or (candidates and not fitting):
            raise UserError(
                f'{path}: {", ".join(candidates)} could all be the annotations; keep one, or call it {part}.json'
            )
        if fitting:
            found[part] = path / fitting[0]
    if val and not train:
        raise UserError(f'{path / "train.json"} does not exist; {FORMATS}')
    return found


def load_coco(file: Path, report: Report) -> dict[str, Any]:
    """Load a COCO file whose lists have entries with ids and names.

    Raises:
        UserError: The file is not COCO's.
    """
    try:
        coco: dict[str, Any] = read_json(file)
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f'{file} is not JSON ({error}); {FORMATS}') from error
    if not check_structure(file, coco, FORMATS, report, _LISTS):
        report.stop()
    return coco


def read_coco(path: Path, file: Path, part: str, annotations: Annotations, report: Report) -> Content:
    """Read and check a COCO file; images get a `file_name` below `path`, and the `width` and `height` of the file.

    Images, annotations and categories are numbered anew from 1: COCO's evaluator takes an annotation of id 0 for none.

    Args:
        path: The folder.
        file: The file.
        part: 'train' or 'val'.
        annotations: The kind that is read.
        report: Takes the findings.

    Raises:
        UserError: The file has mistakes, or an image is missing.
    """
    coco = load_coco(file, report)
    semantic = annotations == 'regions' and (path / 'semantic').is_dir()
    use = Use(
        is_own=True,
        boxes=annotations in ('boxes', 'regions'),
        masks=annotations in ('boxes', 'regions') and not semantic,
        keypoints=annotations == 'keypoints',
    )
    names: list[str | None] = []
    for image in coco['images']:
        try:
            names.append(_find_image(path, file, part, image['file_name']))
        except UserError as error:
            report.error(str(error), file, 'missing image')
            names.append(None)
    headers = check_coco(file, coco, use, [None if name is None else path / name for name in names], report)
    report.stop()
    return _numbered(coco, names, headers)


def sized(path: Path, images: Sequence[Mapping[str, Any]], report: Report) -> list[tuple[dict[str, Any], Header]]:
    """The entries of images with `width` and `height`, and their headers; files that are no images are mistakes."""
    found = []
    for image, header in zip(images, read_headers([path / image['file_name'] for image in images]), strict=True):
        if isinstance(header, str):
            report.error(
                f'{path / image["file_name"]} is not an image that OpenCV can read ({header}); replace or remove it',
                path,
                'image',
            )
        else:
            found.append(({**image, 'width': header.width, 'height': header.height}, header))
    return found


def _numbered(coco: Mapping[str, Any], names: Sequence[Any], headers: Sequence[Any]) -> Content:
    categories = sorted(coco['categories'], key=lambda category: category['id'])
    category_ids = {one['id']: number for number, one in enumerate(categories, 1)}
    image_ids = {one['id']: number for number, one in enumerate(coco['images'], 1)}
    return {
        'images': [
            {**image, 'id': number, 'file_name': name, 'width': header.width, 'height': header.height}
            for number, (image, name, header) in enumerate(zip(coco['images'], names, headers, strict=True), 1)
        ],
        'annotations': [
            {
                **one,
                'id': number,
                'image_id': image_ids[one['image_id']],
                'category_id': category_ids[one['category_id']],
                'iscrowd': int(one.get('iscrowd') or 0),
            }
            for number, one in enumerate(coco['annotations'], 1)
        ],
        'categories': [{**one, 'id': number} for number, one in enumerate(categories, 1)],
    }


def _find_image(path: Path, file: Path, part: str, name: str) -> str:
    """The path of an image below `path`; of an absolute one, as other computers write it, the end is looked for."""
    year = f'{part}2017'
    folders = (
        path / 'images',
        path,
        file.parent,
        *(base / one for base in (path, path / 'images') for one in (part, year)),
    )
    for spelled in dict.fromkeys((name, *(unicodedata.normalize(form, name) for form in ('NFC', 'NFD')))):
        for tail in _tails(spelled):
            places = dict.fromkeys(Path(os.path.normpath(folder / tail)) for folder in folders)
            found = [place for place in places if place.is_file()]
            if any(not place.is_relative_to(os.path.normpath(path)) for place in found[:1]):
                raise UserError(
                    f'{file}: image {name!r} leads out of {path} to {found[0]}; copy it into {folders[0]} and name it '
                    'from there'
                )
            if len({place.stat().st_size for place in found}) > 1:
                raise UserError(
                    f'{file}: image {name!r} may be {found[0]} or {found[1]}, which differ; name it from {path}'
                )
            if found:
                return found[0].relative_to(os.path.normpath(path)).as_posix()
    raise UserError(f'{folders[0] / name} does not exist, but {file.name} lists it; add it, or take it out of the file')


def _tails(name: str) -> list[str]:
    """The names to look for: itself, with slashes for backslashes, and the ends of an absolute path, longest first."""
    slashed = name.replace('\\', '/')
    if not slashed.startswith('/') and not re.match(r'[A-Za-z]:/', slashed):
        return [name, slashed] if slashed != name else [name]
    parts = PurePosixPath(slashed).parts[1:]
    return ['/'.join(parts[start:]) for start in range(len(parts))]
