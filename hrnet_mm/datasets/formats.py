"""The annotation formats: which one a folder has, the kinds of its annotations, and its checked content."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from ..annotations import Report, Use, check_coverage, count_labels, listed
from ..errors import UserError, did_you_mean
from .classes import CLASS_FOLDERS
from .coco import COCO
from .content import Annotations, Content, Folder, Points
from .copies import report_copies, report_near_copies
from .cvat import CVAT
from .deeplabcut import DEEPLABCUT
from .face_points import DLIB, PTS
from .format import Files, Format, Parts
from .label_folders import LABEL_FOLDERS
from .label_studio import LABEL_STUDIO
from .labelme import LABELME
from .labels import check_number_of_labels, check_semantic
from .masks import area
from .open_images import OPEN_IMAGES
from .panoptic import PANOPTIC
from .pascal_voc import PASCAL_VOC
from .point_tables import POINT_TABLES
from .points import read_points, with_points
from .sleap import NWB, SLEAP
from .split import split_images
from .statistics import measure_images
from .yolo import YOLO

__all__ = ['FORMATS', 'about', 'check_folder', 'find_annotations', 'find_format', 'read_folder', 'read_parts']

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        *(COCO, PANOPTIC, YOLO, PASCAL_VOC, CVAT, LABELME, LABEL_STUDIO, OPEN_IMAGES, LABEL_FOLDERS),
        *(DEEPLABCUT, SLEAP, NWB, POINT_TABLES, PTS, DLIB, CLASS_FOLDERS),
    )
}
"""The formats by the values of --format."""

_WORDS: dict[str, dict[str, str]] = {
    'yolo': {'boxes': 'detect', 'masks': 'segment', 'keypoints': 'pose'},
    'masks': {'labels': ''},
    'folders': {'classes': ''},
}
"""What a format calls its kinds."""

_SHOWN_NAMES = 5


def find_format(
    path: Path, annotations: Annotations | None = None, name: str | None = None
) -> tuple[Format, list[Path]]:
    """Find out which format a folder has, by what its files hold.

    Args:
        path: The folder.
        annotations: The kind that is needed; formats that cannot hold it are left out.
        name: The name of the format, in place of a search.

    Returns:
        The format and the files with the labels.

    Raises:
        UserError: No format fits, or several do, or there is none of this name.
    """
    if not path.is_dir():
        raise UserError(f'{path} is not a folder; {_supported(annotations)}')
    files = Files(path)
    if name is not None:
        if name not in FORMATS:
            raise UserError(f'unknown format {name!r}{did_you_mean(name, FORMATS)}')
        if not (found := FORMATS[name].find(files)):
            raise UserError(f'{path} is not of the format {name} ({FORMATS[name].title}): saw {files}')
        return FORMATS[name], found
    fits = {one.name: found for one in FORMATS.values() if (found := one.find(files))}
    fitting = {one: found for one, found in fits.items() if annotations is None or annotations in FORMATS[one].holds}
    chosen = [
        one
        for one in fitting
        if not any(other != one and FORMATS[one].yields in ((other,), ('*',)) for other in fitting)
    ]
    if len(chosen) > 1:
        raise UserError(
            f'{path} fits {len(chosen)} formats: '
            + ' and '.join(f'{FORMATS[one].title} ({fitting[one][0].relative_to(path)})' for one in chosen)
            + f'; choose with --format {" or --format ".join(chosen)}'
        )
    if not chosen:
        raise UserError(_describe(path, files, annotations, list(fits)))
    return FORMATS[chosen[0]], fitting[chosen[0]]


def _describe(path: Path, files: Files, annotations: Annotations | None, others: Sequence[str]) -> str:
    """Say what a folder holds that fits no format, or none with the needed kind."""
    near = [(found[0], one, found[1]) for one in FORMATS.values() if (found := one.near(files))]
    sure = [one for one in others if FORMATS[one].yields != ('*',) or not near]
    if sure:
        title = FORMATS[sure[0]].title
        return f'{path} is of the format {title}, which has no {annotations}; {_supported(annotations)}'
    hint = ''
    if near:
        _, nearest, missing = max(near, key=lambda found: found[0])
        hint = f'; nearest: {nearest.title}, but {missing}'
    return f'{path} fits no annotation format: saw {files}{hint}; {_supported(annotations)}'


def _supported(annotations: Annotations | None) -> str:
    names = [one.name for one in FORMATS.values() if annotations is None or annotations in one.holds]
    return f'supported{f" for {annotations}" if annotations else ""}: {", ".join(names)} (docs/tutorials/own_images.md)'


def about(form: Format, parts: Parts) -> str:
    """The format and what a folder holds: 'YOLO pose, 2 classes (cat, dog), 80 train / 20 val'."""
    train = parts['train']
    names = [str(one['name']) for one in train['categories']]
    if any('label_image' in image for image in train['images']):
        kind = 'labels'
    elif any('category_id' in image for image in train['images']):
        kind = 'classes'
    elif any(one.get('keypoints') for one in train['annotations']):
        kind = 'keypoints'
    else:
        kind = (
            'masks'
            if train['annotations'] and all(one.get('segmentation') for one in train['annotations'])
            else 'boxes'
        )
    word = _WORDS.get(form.name, {}).get(
        kind, {'labels': 'label images', 'classes': 'classes of images'}.get(kind, kind)
    )
    shown = ', '.join(names[:_SHOWN_NAMES]) + (', ...' if len(names) > _SHOWN_NAMES else '')
    counts = ' / '.join(f'{len(content["images"])} {part}' for part, content in parts.items())
    plural = 'class' if len(names) == 1 else 'classes'
    return f'{form.title} {word}'.strip() + f', {len(names)} {plural} ({shown}), {counts}'


def find_annotations(path: Path, name: str | None = None) -> list[Annotations]:
    """Find out what a folder is annotated with: keypoints if there are any, else what its files hold.

    Args:
        path: The folder.
        name: The name of the format, in place of a search.

    Raises:
        UserError: The folder has no known annotation format, or several.
    """
    form, files = find_format(path, None, name)
    return form.kinds(path, files)


def read_folder(path: Path, annotations: Annotations, name: str | None = None, bands: Sequence[int] = ()) -> Folder:
    """Read and check the images of a folder with their annotations, and measure what a training needs of them.

    Without a validation part, a fifth of the images is taken for it.

    Args:
        path: The folder, in one of the formats of docs/tutorials/own_images.md.
        annotations: The kind that is needed; others are not checked.
        name: The name of the format, in place of a search.
        bands: The numbers of the bands of the images that are read, from 1; none for R, G, B of pictures, or all bands
            of other images.

    Returns:
        The training and the validation part, in COCO's words, with the statistics of the training part's pixels.

    Raises:
        UserError: Something is missing or wrong; the sentence names the file and the formats.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> import cv2
        >>> import numpy as np
        >>> with TemporaryDirectory() as path:
        ...     for name in ('cat', 'dog'):
        ...         Path(path, name).mkdir()
        ...         for i in range(5):
        ...             _ = cv2.imwrite(f'{path}/{name}/{i}.png', np.zeros((8, 8, 3), np.uint8))
        ...     folder = read_folder(Path(path), 'classes')
        >>> folder.classes, len(folder.train['images']), len(folder.val['images'])
        (('cat', 'dog'), 8, 2)
    """
    report = Report()
    folder = check_folder(path, annotations, report, name, bands)
    report.stop(f'hrnet-mm check {path} shows all')
    assert folder is not None
    return folder


def check_folder(
    path: Path,
    annotations: Annotations,
    report: Report,
    name: str | None = None,
    bands: Sequence[int] = (),
) -> Folder | None:
    """Read a folder as `read_folder` does, but collect all mistakes.

    Args:
        path: The folder.
        annotations: The kind that is needed.
        report: Takes the findings.
        name: The name of the format, in place of a search.
        bands: See `read_folder`.

    Returns:
        The folder; None if it has mistakes.

    Raises:
        UserError: There is no such kind of annotations.
    """
    if annotations not in get_args(Annotations):
        raise UserError(f'unknown annotations {annotations!r}{did_you_mean(annotations, get_args(Annotations))}')
    with report.collecting():
        form, files = find_format(path, annotations, name)
        parts = read_parts(path, form, files, annotations, report)
        report.stop()
        parts, points = _completed(path, form, parts, annotations)
        if 'val' not in parts:
            train, val, split = split_images(parts['train'], path)
        else:
            train, val = parts['train'], parts['val']
            _check_parts(path, train, val, report)
            split = (
                f'{path} has a validation part: {len(train["images"])} images are for training, '
                f'{len(val["images"])} for it'
            )
        labels = _regions_labels(path, train, val, report) if annotations == 'regions' else None
        _check_objects(path, annotations, train, val, report)
        copied = report_copies(path, train, val, report)
        report_near_copies(path, train, val, copied, report)
        counts = _check_coverage(path, annotations, train, val, labels, report)
        report.stop()
        measured = measure_images(path, train, val, bands, report)
        form_and_parts = about(form, {'train': train, 'val': val})
        if measured.get('bands'):
            form_and_parts += f', {measured["bands"]}'
        return Folder(
            path,
            train,
            val,
            form_and_parts,
            split,
            **measured,
            points=points,
            warnings=tuple(report.warnings),
            counts=counts,
        )
    return None


def read_parts(
    path: Path, form: Format, files: Sequence[Path], annotations: Annotations | None, report: Report
) -> Parts:
    """Read and check the parts of a folder, with places to a millionth of a pixel.

    Formats that store shares of the image thus carry the same digits as those that store pixels.

    Args:
        path: The folder.
        form: Its format.
        files: The files with the labels, as `find_format` returns them.
        annotations: The kind that is needed; None for all there are.
        report: Takes the findings.

    Raises:
        UserError: There are mistakes.
    """
    return {part: _rounded(content) for part, content in form.read(path, files, annotations, report).items()}


def _rounded(content: Content) -> Content:
    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            short = round(value, 6)
            return int(short) if short.is_integer() else short
        return [rounded(one) for one in value] if isinstance(value, list) else value

    keys = ('bbox', 'keypoints', 'segmentation', 'area')
    return {
        **content,
        'annotations': [
            {key: rounded(value) if key in keys else value for key, value in one.items()}
            for one in content['annotations']
        ],
    }


def _completed(
    path: Path, form: Format, parts: Parts, annotations: Annotations
) -> tuple[dict[str, Content], Points | None]:
    """Add what a training needs and labels may lack: the areas of objects, or the boxes around keypoints."""
    if annotations == 'classes':
        return dict(parts), None
    if annotations != 'keypoints':
        return {part: _with_areas(content) for part, content in parts.items()}, None
    where = Path(f'{path} ({about(form, parts)})')
    points = {part: read_points(where, content) for part, content in parts.items()}
    names = [one.names for one in points.values()]
    if names[0] != names[-1]:
        raise UserError(
            f'{path}: the validation part has the keypoints {listed(names[-1])}, but the training part '
            f'{listed(names[0])}; they must be the same, in the same order'
        )
    whole = {part: with_points(content, points['train'], path) for part, content in parts.items()}
    return whole, points['train']


def _with_areas(content: Content) -> Content:
    """The content with the area of each object, which metrics need, where there is none that can be true."""
    annotations = []
    # Masks beside label images, and those that some objects lack, are not used, and so have not been checked.
    with_masks = all(one.get('segmentation') for one in content['annotations'])
    with_masks &= not any('label_image' in image for image in content['images'])
    for one in content['annotations']:
        if not one.get('bbox'):
            continue  # label images are read in place of objects
        most, given = one['bbox'][2] * one['bbox'][3], one.get('area')
        if type(given) not in (int, float) or not 0 < given <= 2 * most:
            given = area(one['segmentation']) if with_masks else most
        annotations.append({**one, 'area': round(given, 6) or most})
    return {**content, 'annotations': annotations}


def _check_parts(path: Path, train: Content, val: Content, report: Report) -> None:
    names = [[one['name'] for one in part['categories']] for part in (train, val)]
    if names[0] != names[1]:
        only = [[name for name in mine if name not in other] for mine, other in (names, names[::-1])]
        which = (
            f' ({listed(only[0]) if only[0] else "none"} only in training, '
            f'{listed(only[1]) if only[1] else "none"} only in validation)'
            if any(only)
            else ' (in another order of the ids)'
        )
        report.error(
            f'{path}: the training and the validation part list different categories{which}; they must be the same'
        )
    shared = {image['file_name'] for image in train['images']} & {image['file_name'] for image in val['images']}
    if shared:
        report.error(f'{path}: {min(shared)} is in both parts; an image may be for training or for validation only')


def _regions_labels(path: Path, train: Content, val: Content, report: Report) -> list[Counter[str]] | None:
    """Check what segmentation needs; the numbers of images with each class, where label images show them."""
    check_number_of_labels(path, train, report)
    if any('label_image' in image for image in train['images']):
        labels = check_semantic(path, [train, val], report)
        report.stop()
        return labels
    for content in (train, val):
        missing = [one for one in content['annotations'] if not one.get('segmentation')]
        for one in missing:
            name = next(image['file_name'] for image in content['images'] if image['id'] == one['image_id'])
            report.error(
                f'{path}: regions need a "segmentation" for every annotation, or semantic/; an annotation of {name} '
                'has none',
                'no mask',
            )
            if len(missing) > 100:
                break
    report.stop()
    return None


def _check_objects(path: Path, annotations: Annotations, train: Content, val: Content, report: Report) -> None:
    """Check that each part has an object, without which there is nothing to learn or to measure."""
    if annotations == 'classes' or any('label_image' in image for image in train['images']):
        return
    for part, content in (('training', train), ('validation', val)):
        if all(one.get('iscrowd') or one.get('ignore') for one in content['annotations']):
            report.error(
                f'{path}: the {part} part has {len(content["images"])} images without an object, so there is nothing '
                f'to {"learn" if part == "training" else "measure"}; label one that is no crowd'
            )
        elif annotations == 'keypoints':
            with_objects = len({one['image_id'] for one in content['annotations']})
            if with_objects < len(content['images']):
                report.warning(
                    f'{path}: {len(content["images"]) - with_objects} of {len(content["images"])} images of the {part} '
                    'part have no object with a labeled keypoint and are left out; label or remove them'
                )
        elif annotations == 'boxes':
            with_mask = sum(bool(one.get('segmentation')) for one in content['annotations'])
            if 0 < with_mask < len(content['annotations']):
                report.warning(
                    f'{path}: {len(content["annotations"]) - with_mask} of {len(content["annotations"])} annotations '
                    f'of the {part} part have no "segmentation", so boxes alone are trained; add them to train masks'
                )


def _check_coverage(
    path: Path,
    annotations: Annotations,
    train: Content,
    val: Content,
    labels: list[Counter[str]] | None,
    report: Report,
) -> dict[str, tuple[int, int]]:
    """Warn of classes and keypoints that are never learned or measured; return how often each occurs."""
    if annotations == 'classes':
        names = {one['id']: one['name'] for one in train['categories']}
        labels = [Counter(names.get(image['category_id'], '') for image in part['images']) for part in (train, val)]
    if labels is not None:
        check_coverage(path, 'class', labels[0], labels[1], report)
        return _in_parts(*labels)
    use = Use(is_own=True, boxes=annotations != 'keypoints', keypoints=annotations == 'keypoints')
    counted = [count_labels(part, use) for part in (train, val)]
    if annotations != 'keypoints':
        check_coverage(path, 'class', counted[0][0], counted[1][0], report)
    check_coverage(path, 'keypoint', counted[0][1], counted[1][1], report)
    return _in_parts(*(points if annotations == 'keypoints' else classes for classes, points in counted))


def _in_parts(train: Counter[str], val: Counter[str]) -> dict[str, tuple[int, int]]:
    return {name: (train[name], val[name]) for name in dict.fromkeys([*train, *val])}
