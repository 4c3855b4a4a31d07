"""The content of a folder in memory, the same for every annotation format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import UserError
from ..images import Bands, ImageError, read_picture

Annotations = Literal['boxes', 'classes', 'keypoints', 'regions']
"""Kinds of annotations: a box for each object, a class for each image, keypoints, and masks or label images."""

Content = Mapping[str, Any]
"""Images, annotations and categories as in COCO. Every image has `width` and `height`, and a `file_name` below the
folder; with classes it has its `category_id`, and there are no annotations. Places are in pixels, to a millionth.

With label images, every image has its `label_image`, a file below the folder. `label_values` say which label (0 for
background, i for the i-th category, 255 for neither) a value or a color '#rrggbb' of those files is; without them, the
files hold the labels themselves. A category may have `keypoints`, a `skeleton` and `flip_indices`, the number of the
keypoint that each becomes in a mirror image."""


@dataclass(frozen=True)
class Points:
    """Keypoints.

    Attributes:
        names: Their names in their order.
        links: Pairs of them, counted from 0, that are joined by lines.
        flips: The number of the keypoint that each becomes in a mirror image, where the labels say so.
    """

    names: tuple[str, ...]
    links: tuple[tuple[int, int], ...] = ()
    flips: tuple[int, ...] = ()


@dataclass(frozen=True)
class Folder:
    """A folder that was read and checked.

    Attributes:
        path: The folder.
        train: The training part.
        val: The validation part.
        about: The format and what it holds, such as 'YOLO pose, 3 classes, 80 train / 20 val'.
        split: A sentence that says where the two parts come from.
        mean: The mean of each channel in the training part, in the unit of the files: of R, G and B, or of the bands.
        std: The standard deviation of each.
        bands: The bands that are read; None for pictures of 8 bits, which are R, G, B.
        value_range: The least and the greatest value of each band in the training part.
        points: The keypoints, where these were read.
        warnings: A sentence for each thing that may be wrong with the folder.
        counts: How often each keypoint or class occurs in the two parts; of classes and label images, in how many
            images.
    """

    path: Path
    train: Content
    val: Content
    about: str
    split: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bands: Bands | None = None
    value_range: tuple[tuple[float, float], ...] = ()
    points: Points | None = None
    warnings: tuple[str, ...] = ()
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The categories' names in the order of their ids."""
        return tuple(category['name'] for category in self.train['categories'])

    @property
    def has_masks(self) -> bool:
        """Whether every object has a mask."""
        return all(one.get('segmentation') for part in (self.train, self.val) for one in part['annotations'])

    @property
    def has_semantic(self) -> bool:
        """Whether there are label images."""
        return any('label_image' in image for image in self.train['images'])

    @property
    def median_box(self) -> tuple[float, float]:
        """The median width and height of the training part's boxes, in pixels."""
        boxes = np.array([one['bbox'][2:] for one in self.train['annotations']], float)
        width, height = np.median(boxes, axis=0).tolist()
        return width, height

    @property
    def median_side(self) -> float | None:
        """The median of the square roots of the box areas of the training part, in pixels.

        None where there are no boxes but those of whole images, which tell no size.
        """
        whole = {image['id']: [image['width'], image['height']] for image in self.train['images']}
        boxes = [one['bbox'] for one in self.train['annotations'] if one.get('bbox')]
        of_objects = [
            one['bbox']
            for one in self.train['annotations']
            if one.get('bbox') and one['bbox'][2:] != whole[one['image_id']]
        ]
        if not of_objects or 2 * len(of_objects) < len(boxes):
            return None
        return float(np.median([(width * height) ** 0.5 for _, _, width, height in of_objects]))

    @property
    def median_short_side(self) -> float:
        """The median of the shorter sides of the training part's images, in pixels."""
        return float(np.median([min(image['width'], image['height']) for image in self.train['images']]))


def read_image(file: Path) -> Any:
    """The image as a picture `(H, W, 3)` in B, G, R, to be looked at.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return read_picture(file)
    except ImageError as error:
        raise UserError(f'{file}: {error}') from error
