"""Files in COCO's format."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def describe_instance(mask: npt.NDArray[np.bool_], number: int, image_id: int, **more: object) -> dict[str, Any]:
    """An annotation of category 1 with the box, area and run lengths of a mask `(H, W)`, and the entries `more`."""
    from pycocotools import mask as coco_mask  # comes with mmdet; whoever only renders does not need it

    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        'id': number,
        'image_id': image_id,
        'category_id': 1,
        'iscrowd': 0,
        'area': float(coco_mask.area(rle)),
        'bbox': [float(value) for value in coco_mask.toBbox(rle)],
        'segmentation': {'size': rle['size'], 'counts': rle['counts'].decode('ascii')},
        **more,
    }


def write_coco(
    file: Path,
    images: Sequence[dict[str, Any]],
    annotations: Sequence[dict[str, Any]],
    category: Mapping[str, object],
) -> None:
    """Write images and annotations of the only category, which has the id 1."""
    content = {'images': images, 'annotations': annotations, 'categories': [{'id': 1, **category}]}
    file.write_text(json.dumps(content))
