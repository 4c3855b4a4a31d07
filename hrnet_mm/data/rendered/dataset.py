"""Data sets of rendered images, each part on photographs of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..coco import describe_instance, write_coco
from ..fetch import prepared_once
from ..photographs import SHA256, SOURCE, SPLITS, read_photographs
from .drawing import Image

_DRAWN = ('fit', 'val', 'test')  # the training part is the first two together


@dataclass(frozen=True)
class Rendered:
    """An image, its labels `(H, W)`, and for each instance its mask `(H, W)` and the rest of its annotation in COCO."""

    image: Image
    classes: Image
    instances: Sequence[tuple[npt.NDArray[np.bool_], Mapping[str, Any]]]


def prepare_rendered(
    root: Path,
    name: str,
    version: int,
    counts: Mapping[str, int],
    render: Callable[[np.random.Generator, Sequence[Image]], Rendered],
    category: Mapping[str, object],
) -> Path:
    """Write images/*.jpg, labels/*.png and P.json (COCO) of each part P of 'train', 'test', 'fit' and 'val'.

    An image depends on its part and its number alone.

    Args:
        root: The parent of the folder.
        name: The name of the folder, which is written unless it is there.
        version: The version of the drawing; folders of others are made again.
        counts: The numbers of images of 'fit', 'val' and 'test'; 'train' is the first two together.
        render: Renders an image from a random generator and the photographs of its part.
        category: COCO's only category.

    Returns:
        The folder.
    """
    folder = root / name
    record = {'version': version, 'counts': dict(counts), 'photographs': SPLITS, 'source': SOURCE, 'sha256': SHA256}
    with prepared_once(folder, record) as new:
        if new is not None:
            _write(new, {part: read_photographs(root, part) for part in _DRAWN}, counts, render, category)
    return folder


def _write(
    folder: Path,
    photographs: Mapping[str, Sequence[Image]],
    counts: Mapping[str, int],
    render: Callable[[np.random.Generator, Sequence[Image]], Rendered],
    category: Mapping[str, object],
) -> None:
    images: dict[str, list[dict[str, Any]]] = {part: [] for part in SPLITS}
    annotations: dict[str, list[dict[str, Any]]] = {part: [] for part in SPLITS}
    for kind in ('images', 'labels'):
        (folder / kind).mkdir()
    for seed, part in enumerate(_DRAWN):
        parts = (part,) if part == 'test' else (part, 'train')
        for number in range(counts[part]):
            rendered = render(np.random.default_rng((seed, number)), photographs[part])
            stem, image_id = f'{part}_{number:05d}', seed * 1_000_000 + number
            cv2.imwrite(str(folder / 'images' / f'{stem}.jpg'), rendered.image, (cv2.IMWRITE_JPEG_QUALITY, 92))
            cv2.imwrite(str(folder / 'labels' / f'{stem}.png'), rendered.classes, (cv2.IMWRITE_PNG_COMPRESSION, 1))
            height, width = rendered.image.shape[:2]
            image = {'id': image_id, 'file_name': f'{stem}.jpg', 'width': width, 'height': height}
            described = [
                describe_instance(mask, image_id * 100 + place, image_id, **more)
                for place, (mask, more) in enumerate(rendered.instances, 1)
            ]
            for one in parts:
                images[one].append(image)
                annotations[one] += described
    for part in SPLITS:
        write_coco(folder / f'{part}.json', images[part], annotations[part], category)
