"""Faster masks of instances: each is resized within its box, with the pixels that mmdet's masks have."""

from collections.abc import Sequence
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.mask import BitmapMasks
from numpy.typing import NDArray

from ...errors import UserError

__all__ = ['BoxedMasks', 'ToBoxedMasks']

_FLIPS = {'vertical': 0, 'horizontal': 1, 'diagonal': -1}


class BoxedMasks(BitmapMasks):
    """mmdet's masks, whose constructor copies nothing, and which are resized where they are not zero.

    Args:
        masks: `(N, H, W)`, uint8.
        height: H.
        width: W.
    """

    def __init__(self, masks: NDArray[np.uint8], height: int, width: int) -> None:
        self.masks, self.height, self.width = masks, height, width

    def __getitem__(self, index: Any) -> 'BoxedMasks':
        """Return the masks of some objects, without a copy if they are all."""
        whole = isinstance(index, np.ndarray) and np.array_equal(index, np.arange(len(self.masks)))
        masks = self.masks if whole else self.masks[index].reshape(-1, self.height, self.width)
        return BoxedMasks(masks, self.height, self.width)

    def rescale(self, scale: Any, interpolation: str = 'nearest') -> BitmapMasks:
        """Resize the masks within a size, or by a factor; see `BitmapMasks`."""
        width, height = mmcv.rescale_size((self.width, self.height), scale)
        return self.resize((height, width), interpolation)

    def resize(self, out_shape: Sequence[int], interpolation: str = 'nearest') -> BitmapMasks:
        """Resize the masks to (height, width); see `BitmapMasks`."""
        if interpolation != 'nearest':
            return super().resize(out_shape, interpolation)
        height, width = out_shape
        rows, columns = _sources(self.height, height), _sources(self.width, width)
        resized = np.zeros((len(self.masks), height, width), np.uint8)
        for mask, out in zip(self.masks, resized, strict=True):
            x, y, w, h = cv2.boundingRect(mask)
            left, right = np.searchsorted(columns, (x, x + w))
            top, bottom = np.searchsorted(rows, (y, y + h))
            inside = mask[y : y + h].take(columns[left:right], axis=1)
            inside.take(rows[top:bottom] - y, axis=0, out=out[top:bottom, left:right])
        return BoxedMasks(resized, height, width)

    def flip(self, flip_direction: str = 'horizontal') -> 'BoxedMasks':
        """Flip the masks; see `BitmapMasks`."""
        flipped = np.empty_like(self.masks)
        for mask, out in zip(self.masks, flipped, strict=True):
            cv2.flip(mask, _FLIPS[flip_direction], dst=out)
        return BoxedMasks(flipped, self.height, self.width)


def _sources(size: int, new_size: int) -> NDArray[np.intp]:
    """Return the pixel of an axis that OpenCV reads for each pixel of the resized axis, in increasing order."""
    pixels = cv2.resize(np.arange(size, dtype=np.float32)[None], (new_size, 1), interpolation=cv2.INTER_NEAREST)
    return np.asarray(pixels[0]).astype(np.intp)


@TRANSFORMS.register_module()
class ToBoxedMasks(BaseTransform):
    """Element of a pipeline after `LoadAnnotations(with_mask=True)` that makes the later ones resize within boxes."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace `gt_masks` of a sample; polygons stay.

        Raises:
            UserError: The sample has no masks.
        """
        if 'gt_masks' not in results:
            raise UserError('ToBoxedMasks found no masks; put it after LoadAnnotations with with_mask=True')
        masks = results['gt_masks']
        if isinstance(masks, BitmapMasks):
            results['gt_masks'] = BoxedMasks(_in_rows(masks.masks), masks.height, masks.width)
        return results


def _in_rows(masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy masks to memory row by row: pycocotools has them column by column, and OpenCV would copy all of each."""
    if masks.flags.c_contiguous:
        return masks
    rows = np.zeros(masks.shape, np.uint8)
    for mask, out in zip(masks, rows, strict=True):
        y, x, h, w = cv2.boundingRect(mask.T)
        out[y : y + h, x : x + w] = mask[y : y + h, x : x + w]
    return rows
