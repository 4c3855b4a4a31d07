"""Reader of COCO files of objects: boxes, polygons, run lengths and keypoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..annotations import Report, check_coco, check_structure, read_json
from ..annotations.clutter import without_clutter
from ..errors import UserError
from .content import Annotations, Content
from .format import Files, Format, Parts, head
from .images import find_image
from .labels import semantic_file
from .reading import numbered, use_for
from .writing import Target

__all__ = ['COCO']

_OTHER = ('panoptic', 'captions', 'stuff', 'image_info', 'test')  # in names of files with other annotations
_EXPECTED = (
    'COCO has the lists "images", "annotations" and "categories", in train.json and val.json, or in one file for both'
)


def _files(path: Path) -> list[str]:
    """The files that have the signs of COCO, or its usual names and no sign of another format."""
    patterns = ('*.json', 'annotations/*.json', 'train/*.json', 'val/*.json', 'valid/*.json')
    files = [file for pattern in patterns for file in without_clutter(path, sorted(path.glob(pattern)))]
    names = [file.relative_to(path).as_posix() for file in files if _is_coco(file)]
    return [name for name in names if not any(other in name for other in _OTHER)]


def _is_coco(file: Path) -> bool:
    start = head(file)
    if '"segments_info"' in start:
        return False
    if any(sign in start for sign in ('"images"', '"categories"')):
        return True
    is_of_others = '"shapes"' in start or (start.lstrip().startswith('[') and '"data"' in start)
    return not is_of_others and any(name in file.name for name in ('annotations', 'instances', 'train', 'val'))


def _find_parts(path: Path, kind: str) -> dict[str, Path]:
    """Find the files of the parts 'train' and 'val', or one file as 'train'; none where there is no .json file.

    Args:
        path: The folder.
        kind: 'keypoints' or 'instances'; of several files for a part, the one with it in its name is taken.

    Raises:
        UserError: Several files could be the annotations of a part.
    """
    names = _files(path)
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
        raise UserError(f'{path / "train.json"} does not exist, but {path / found["val"]} does; {_EXPECTED}')
    return found


def _load(file: Path, needed: Sequence[str], report: Report) -> dict[str, Any]:
    """Load a COCO file whose lists have entries with ids and names.

    Raises:
        UserError: The file is not COCO's.
    """
    try:
        coco: dict[str, Any] = read_json(file)
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f'{file} is not JSON ({error}); {_EXPECTED}') from error
    if not check_structure(file, coco, _EXPECTED, report, needed):
        report.stop()
    return coco


def _read_part(path: Path, file: Path, part: str, annotations: Annotations | None, report: Report) -> Content:
    """Read and check a file; images get a `file_name` below `path`, and the `width` and `height` of the image's file.

    Raises:
        UserError: The file has mistakes, or an image is missing.
    """
    with_labels = annotations == 'regions' and (path / 'semantic').is_dir()
    coco = _load(file, ('images', *(() if with_labels else ('annotations',)), 'categories'), report)
    coco['annotations'] = coco.get('annotations') or []
    folders = [base / one for base in (path, path / 'images') for one in (part, f'{part}2017')]
    names: list[str | None] = []
    for image in coco['images']:
        try:
            names.append(find_image(path, file, image['file_name'], folders))
        except UserError as error:
            report.error(str(error), file, 'missing image')
            names.append(None)
    if with_labels:
        for image, name in zip(coco['images'], names, strict=True):
            image['label_image'] = name and semantic_file(path, name).relative_to(path).as_posix()
    use = use_for(coco, annotations)
    headers = check_coco(file, coco, use, [None if name is None else path / name for name in names], report)
    report.stop()
    return numbered(coco, names, headers)


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    parts = _find_parts(path, 'keypoints' if annotations == 'keypoints' else 'instances')
    contents = {}
    for part, file in parts.items():
        with report.collecting():
            contents[part] = _read_part(path, file, part, annotations, report)
    report.stop()
    return contents


def _holds(path: Path, files: Sequence[Path]) -> list[Annotations]:
    """Keypoints if there are any, else boxes and, where every object has a mask or there are label images, regions."""
    content = _load(_find_parts(path, 'instances')['train'], ('images', 'categories'), Report())
    objects = content.get('annotations') or []
    if any(isinstance(one.get('keypoints'), list) and any(one['keypoints']) for one in objects):
        return ['keypoints']
    with_masks = bool(objects) and all(one.get('segmentation') for one in objects)
    with_labels = (path / 'semantic').is_dir()
    return [*(['boxes'] if objects else []), *(['regions'] if with_masks or with_labels else [])]  # type: ignore[list-item]


def _near(files: Files) -> tuple[int, str] | None:
    count = len(files.of('.json'))
    return (count + 1, 'no JSON file has "images", "annotations" and "categories"') if count else None


def _write(parts: Parts, target: Target) -> None:
    for part, content in parts.items():
        for image in content['images']:
            target.copy(image, f'images/{part}')
        images = [{**image, 'file_name': target.name(image)} for image in content['images']]
        target.write_json(f'{part}.json', {**content, 'images': images})


COCO = Format(
    name='coco',
    title='COCO',
    holds=frozenset({'boxes', 'keypoints', 'regions'}),
    find=lambda files: [files.path / name for name in _files(files.path)],
    kinds=_holds,
    read=_read,
    write=_write,
    near=_near,
)
