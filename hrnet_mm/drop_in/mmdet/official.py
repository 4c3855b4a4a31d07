"""Official box arithmetic of the detection repositories, whose boxes contain their last pixel: a width is x2 - x1 + 1.

The parts follow one another through a detector: annotations, crop, anchors, overlaps, coding, RoIs, and the output, in
which a box ends at the border of its last pixel again, as everywhere else in mmdet.

Sources: HRNet-Object-Detection (a fork of mmdetection 0.5) and HRNet-MaskRCNN-Benchmark.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mmcv
import mmdet.models  # noqa: F401  # mmdet must register its own classes first
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.models.dense_heads import FCOSHead, RPNHead
from mmdet.models.roi_heads import CascadeRoIHead, HybridTaskCascadeRoIHead, SingleRoIExtractor, StandardRoIHead
from mmdet.models.roi_heads.mask_heads import FCNMaskHead, HTCMaskHead
from mmdet.models.task_modules.assigners import BboxOverlaps2D
from mmdet.models.task_modules.coders import DistancePointBBoxCoder, LegacyDeltaXYWHBBoxCoder
from mmdet.models.task_modules.prior_generators import LegacyAnchorGenerator
from mmdet.registry import MODELS, TASK_UTILS, TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

__all__ = [
    'BenchmarkAnchorGenerator',
    'BenchmarkRPNHead',
    'BoxCenteredCrop',
    'InclusiveBoxes',
    'OfficialBoxCoder',
    'OfficialCascadeRoIHead',
    'OfficialFCOSHead',
    'OfficialHTCMaskHead',
    'OfficialHTCRoIHead',
    'OfficialMaskHead',
    'OfficialOverlaps',
    'OfficialPointCoder',
    'OfficialRoIExtractor',
    'OfficialRoIHead',
    'ToInclusiveBoxes',
]


def _last(boxes: Tensor, step: float | Tensor) -> Tensor:
    """Move the corners x2 and y2 of boxes `(N, 4)` by a step in pixels."""
    return torch.cat([boxes[..., :2], boxes[..., 2:] + step], dim=-1)


class InclusiveBoxes(HorizontalBoxes):
    """mmdet's boxes, where x2 and y2 are the last column and row inside: flips and clips differ by one."""

    def flip_(self, img_shape: tuple[int, int], direction: str = 'horizontal') -> None:
        """Flip the boxes in an image of (height, width) pixels, whose last column is width - 1."""
        super().flip_((img_shape[0] - 1, img_shape[1] - 1), direction)

    def clip_(self, img_shape: tuple[int, int]) -> None:
        """Clip the boxes to the pixels of an image of (height, width)."""
        super().clip_((img_shape[0] - 1, img_shape[1] - 1))


@TRANSFORMS.register_module()
class ToInclusiveBoxes(BaseTransform):
    """Let the annotated boxes end at their last pixel, x + width - 1, as the official loaders do."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace `gt_bboxes` of a sample, which comes from `LoadAnnotations` and was not resized yet."""
        boxes: Any = InclusiveBoxes(_last(get_box_tensor(results['gt_bboxes']), -1))
        return {**results, 'gt_bboxes': boxes}


@TRANSFORMS.register_module()
class BoxCenteredCrop(BaseTransform):
    """Crop around a box drawn at random, with the longer side of the crop along the longer side of the image.

    The center of the crop is moved by up to 30 columns and 10 rows, and then into the image. Boxes stay if their center
    is in the crop. Source: HRNet-Object-Detection `mmdet/datasets/extra_aug.py`, `RandomResizeCrop`.

    Args:
        size: The longer and the shorter side in pixels. An image that is smaller keeps its size.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Crop a resized sample with boxes; None, which lets the data set draw another image, if no box stays."""
        height, width = results['img'].shape[:2]
        long, short = self.size
        crop = np.minimum((short, long) if height > width else (long, short), (width, height))
        boxes, ignored = results['gt_bboxes'], results['gt_ignore_flags']
        if ignored.all():
            return None
        centers = boxes.centers.numpy()
        start = np.round(centers[np.random.choice(np.flatnonzero(~ignored))] - crop / 2).astype(int)
        start += [np.random.randint(-30, 30), np.random.randint(-10, 10)]
        x, y = np.clip(start, 0, np.array([width, height]) - crop)
        stays = ((centers > [x, y]) & (centers < np.array([x, y]) + crop)).all(axis=1)
        boxes = boxes[stays]
        boxes.translate_((-x, -y))
        boxes.clip_((crop[1], crop[0]))
        return {
            **results,
            'img': results['img'][y : y + crop[1], x : x + crop[0]],
            'img_shape': (int(crop[1]), int(crop[0])),
            'gt_bboxes': boxes,
            'gt_bboxes_labels': results['gt_bboxes_labels'][stays],
            'gt_ignore_flags': ignored[stays],
        }


@TASK_UTILS.register_module()
class OfficialOverlaps(BboxOverlaps2D):
    """Overlaps of boxes that contain their last pixel."""

    def __call__(self, bboxes1: Any, bboxes2: Any, mode: str = 'iou', is_aligned: bool = False) -> Tensor:
        """Return the overlaps `(M, N)` of boxes `(M, 4)` and `(N, 4)`."""
        first, second = (_last(get_box_tensor(boxes)[..., :4], 1) for boxes in (bboxes1, bboxes2))
        overlaps: Tensor = super().__call__(first, second, mode, is_aligned)
        return overlaps


@TASK_UTILS.register_module()
class OfficialBoxCoder(LegacyDeltaXYWHBBoxCoder):
    """Box coding with widths of x2 - x1 + 1, and decoded boxes clipped to the last pixel of the image.

    mmdet's `LegacyDeltaXYWHBBoxCoder` encodes in the same way, but decodes x2 one pixel further, and both corners half
    a pixel to the top left.
    """

    def decode(
        self,
        bboxes: Any,
        pred_bboxes: Tensor,
        max_shape: Sequence[int] | None = None,
        wh_ratio_clip: float | None = 16 / 1000,
    ) -> Tensor:
        """Return the boxes of deltas `(N, 4)` or `(N, 4 * classes)`, in the same shape.

        Args:
            bboxes: The anchors or proposals `(N, 4)`.
            pred_bboxes: The deltas.
            max_shape: Height and width of the image in pixels. Default: boxes are not clipped.
            wh_ratio_clip: The least factor of a width or height; the inverse is the greatest.
        """
        decoded: Tensor = super().decode(bboxes, pred_bboxes, None, wh_ratio_clip).unflatten(-1, (-1, 4))
        decoded = decoded + decoded.new_tensor([0.5, 0.5, -0.5, -0.5])
        if max_shape is not None:
            last = decoded.new_tensor([max_shape[1] - 1, max_shape[0] - 1]).repeat(2)
            decoded = decoded.clamp(min=0).minimum(last)
        return decoded.flatten(-2)


@TASK_UTILS.register_module()
class BenchmarkAnchorGenerator(LegacyAnchorGenerator):
    """Anchors of maskrcnn-benchmark: an aspect ratio is rounded to whole pixels before the scale multiplies it.

    At stride 4 and ratio 0.5, an anchor of 32 x 32 pixels becomes 48 x 24; the one of HRNet-Object-Detection, mmdet's
    `LegacyAnchorGenerator`, is 46 x 22.
    """

    def gen_single_level_base_anchors(
        self, base_size: float, scales: Tensor, ratios: Tensor, center: Sequence[float] | None = None
    ) -> Tensor:
        """Return the anchors `(ratios * scales, 4)` of the top left cell, of `base_size` pixels."""
        x, y = center or (self.center_offset * (base_size - 1),) * 2
        widths = (base_size / ratios.sqrt()).round()
        sizes = torch.stack([widths, (widths * ratios).round()], dim=-1)[:, None] * scales[None, :, None]
        half = (sizes.flatten(0, 1) - 1) / 2
        middle = half.new_tensor([x, y])
        return torch.cat([middle - half, middle + half], dim=-1)


@MODELS.register_module()
class BenchmarkRPNHead(RPNHead):
    """RPN of maskrcnn-benchmark: in training, `max_per_img` proposals are the best of a GPU's images together."""

    def loss_and_predict(
        self, x: Sequence[Tensor], batch_data_samples: Sequence[Any], proposal_cfg: Any = None
    ) -> tuple[dict[str, Any], list[InstanceData]]:
        """Return the losses and the proposals of each image."""
        losses, proposals = super().loss_and_predict(x, batch_data_samples, proposal_cfg)
        scores = torch.cat([found.scores for found in proposals])
        most = (proposal_cfg or self.test_cfg).max_per_img
        if len(scores) > most:
            least = scores.topk(most).values[-1]
            proposals = [found[found.scores >= least] for found in proposals]
        return losses, proposals


@MODELS.register_module()
class OfficialRoIExtractor(SingleRoIExtractor):
    """RoI extractor for boxes that contain their last pixel.

    Args:
        whole_pixels: Whether an RoI ends at the border of its last pixel, as in HRNet-Object-Detection, or in that
            pixel, as in maskrcnn-benchmark.
        **kwargs: Arguments of mmdet's `SingleRoIExtractor`.
    """

    def __init__(self, whole_pixels: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.whole_pixels = whole_pixels

    def map_roi_levels(self, rois: Tensor, num_levels: int) -> Tensor:
        """Return the level of each RoI `(N, 5)`, from the size that includes the last pixel."""
        levels: Tensor = super().map_roi_levels(rois if self.whole_pixels else self._to_border(rois), num_levels)
        return levels

    def forward(self, feats: Sequence[Tensor], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
        """Return the features `(N, C, H, W)` of RoIs `(N, 5)`."""
        features: Tensor = super().forward(
            feats, self._to_border(rois) if self.whole_pixels else rois, roi_scale_factor
        )
        return features

    @staticmethod
    def _to_border(rois: Tensor) -> Tensor:
        return torch.cat([rois[:, :1], _last(rois[:, 1:], 1)], dim=1)


class _OfficialRoIs:
    """An RoI head whose detections end at the border of their last pixel in the image file."""

    with_mask: bool

    def predict_bbox(self, *args: Any, rescale: bool = False, **kwargs: Any) -> list[InstanceData]:
        """Return the detections; if there are masks, their head moves the corners."""
        results: list[InstanceData] = super().predict_bbox(*args, rescale=rescale, **kwargs)  # type: ignore[misc]
        if not self.with_mask:
            for found in results:
                found.bboxes = _last(found.bboxes, 1)
        return results


@MODELS.register_module()
class OfficialRoIHead(_OfficialRoIs, StandardRoIHead):
    """mmdet's `StandardRoIHead` with official boxes."""


@MODELS.register_module()
class OfficialCascadeRoIHead(_OfficialRoIs, CascadeRoIHead):
    """mmdet's `CascadeRoIHead` with official boxes."""


@MODELS.register_module()
class OfficialHTCRoIHead(_OfficialRoIs, HybridTaskCascadeRoIHead):
    """mmdet's `HybridTaskCascadeRoIHead` with official boxes."""


class _OfficialMasks:
    """A mask head for boxes that contain their last pixel."""

    def get_targets(
        self, sampling_results: Sequence[Any], batch_gt_instances: Sequence[InstanceData], rcnn_train_cfg: Any
    ) -> Tensor:
        """Return the targets `(N, S, S)` of the positive proposals: whole pixels of the true masks, resized."""
        size, targets = rcnn_train_cfg.mask_size, []
        for sampled, truth in zip(sampling_results, batch_gt_instances, strict=True):
            boxes = sampled.pos_priors.cpu().numpy().astype(int)  # cuts the fractions off
            masks = truth.masks.to_ndarray()
            for (x1, y1, x2, y2), index in zip(boxes, sampled.pos_assigned_gt_inds.tolist(), strict=True):
                piece = masks[index, y1 : max(y1, y2) + 1, x1 : max(x1, x2) + 1]
                targets.append(torch.from_numpy(mmcv.imresize(piece, (size, size))))
        some = sampling_results[0].pos_priors
        return torch.stack(targets).to(some) if targets else some.new_zeros(0, size, size)

    def predict_by_feat(
        self,
        mask_preds: Sequence[Tensor],
        results_list: Sequence[InstanceData],
        batch_img_metas: Sequence[Mapping[str, Any]],
        *args: Any,
        rescale: bool = False,
        **kwargs: Any,
    ) -> list[InstanceData]:
        """Return the detections with masks, which fill boxes that end at the border of their last pixel."""
        for found, meta in zip(results_list, batch_img_metas, strict=True):
            pixel = found.bboxes.new_tensor(meta['scale_factor'] if rescale else (1, 1))  # of the image file
            found.bboxes = _last(found.bboxes, pixel)
        results: list[InstanceData] = super().predict_by_feat(  # type: ignore[misc]
            mask_preds, results_list, batch_img_metas, *args, rescale=rescale, **kwargs
        )
        return results


@MODELS.register_module()
class OfficialMaskHead(_OfficialMasks, FCNMaskHead):
    """mmdet's `FCNMaskHead` for official boxes."""


@MODELS.register_module()
class OfficialHTCMaskHead(_OfficialMasks, HTCMaskHead):
    """mmdet's `HTCMaskHead` for official boxes."""


@TASK_UTILS.register_module()
class OfficialPointCoder(DistancePointBBoxCoder):
    """Coding by distances from a point, with decoded boxes clipped to the last pixel of the image."""

    def decode(self, points: Tensor, pred_bboxes: Tensor, max_shape: Any = None) -> Tensor:
        """Return the boxes `(N, 4)` of distances `(N, 4)`; `max_shape` has the height and width of the image."""
        last = None if max_shape is None else tuple(side - 1 for side in max_shape[:2])
        boxes: Tensor = super().decode(points, pred_bboxes, last)
        return boxes


@MODELS.register_module()
class OfficialFCOSHead(FCOSHead):
    """mmdet's `FCOSHead` with official boxes: detections end at the border of their last pixel in the image file."""

    def _bbox_post_process(self, *args: Any, **kwargs: Any) -> InstanceData:
        found = super()._bbox_post_process(*args, **kwargs)
        found.bboxes = _last(found.bboxes, 1)
        return found
