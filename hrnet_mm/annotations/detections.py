"""Check of detected boxes, in COCO's form for results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .coco import read_json
from .report import Report
from .values import are_numbers, short

__all__ = ['check_detections']

_FORMAT = 'expected a list of {"image_id", "category_id", "bbox": [x, y, width, height], "score"}'


def check_detections(file: Path, images: Sequence[Mapping[str, Any]], annotated: Path, report: Report) -> None:
    """Check a file of boxes in which a network looks for keypoints.

    Args:
        file: The file of the boxes.
        images: The images of the annotation file.
        annotated: The annotation file.
        report: Takes the findings.
    """
    try:
        boxes = read_json(file)
    except (ValueError, OSError, RecursionError) as error:
        report.error(f'{file} is not JSON ({error}); {_FORMAT}')
        return
    if not isinstance(boxes, list) or not all(isinstance(one, dict) for one in boxes):
        report.error(f'{file} holds something else than boxes; {_FORMAT}')
        return
    sizes = {image['id']: (image.get('width'), image.get('height')) for image in images}
    found, left_out = set(), 0
    for number, one in enumerate(boxes, 1):
        where = f'{file}: box number {number}'
        if one.get('category_id') != 1 or isinstance(one.get('category_id'), bool):
            if not isinstance(one.get('category_id'), int):
                report.error(f'{where} has category_id {one.get("category_id")!r}; give persons 1', file, 'category')
            left_out += 1
            continue
        image_id = one.get('image_id')
        if not isinstance(image_id, int | float | str) or image_id not in sizes:
            report.error(
                f'{where} has image_id {image_id!r}, which {annotated} does not list; name the boxes of these images',
                file,
                'image_id',
            )
            continue
        found.add(image_id)
        _check_box(where, one, sizes[image_id], file, report)
    if boxes and left_out == len(boxes):
        report.error(f'{file}: no box has the category_id 1, which persons need, so there is nothing to measure')
    elif left_out:
        report.warning(
            f'{file}: {left_out} of {len(boxes)} boxes are left out, because their category_id is not 1, which persons '
            'have'
        )
    if without := [image['file_name'] for image in images if image['id'] not in found]:
        say = report.warning if found else report.error
        say(
            f'{file} has no box in {len(without)} of {len(images)} images of {annotated}, such as {without[0]!r}, so '
            'that all of their objects count as missed'
        )


def _check_box(where: str, one: Mapping[str, Any], size: Sequence[Any], file: Path, report: Report) -> None:
    box, score = one.get('bbox'), one.get('score')
    if not isinstance(box, list) or not are_numbers(box[:4], 4):
        report.error(
            f'{where} has no "bbox" of [x, y, width, height] but {short(box)}; give four numbers', file, 'bbox'
        )
        return
    if not are_numbers([score]):
        report.error(f'{where} has the score {score!r}; give a number', file, 'score')
    x, y, width, height = box[:4]
    if width < 1 or height < 1:
        report.warning(f'{where} is a box {box[:4]} of less than one pixel; correct or remove it', file, 'small')
    elif None not in size and not (x < size[0] and y < size[1] and x + width > 0 and y + height > 0):
        report.warning(
            f'{where} is a box {box[:4]} outside of its image of {size[0]} x {size[1]} pixels; correct or remove it',
            file,
            'outside',
        )
