"""Suppression, matching and overlaps of boxes `(x1, y1, x2, y2)`, in the arithmetic of mmcv's CPU operators.

Their decisions are equal to mmcv's, ties included, because each value is computed in the dtype of the boxes and in
the same order. ``offset`` is 1 where x2 and y2 are the last pixels of a box, and 0 where they are its edges.
"""

import numpy as np
import numpy.typing as npt
import torch
import torchvision  # noqa: F401 - registers torch.ops.torchvision
from torch import Tensor

Array = npt.NDArray[np.floating]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes `(N, 4)` that greedy suppression keeps, the best first."""
    # Among equal scores the order is that of torch's sort, as in mmcv; torchvision's own sort is another one.
    order = scores.argsort(descending=True)
    ordered = boxes[order]
    if offset == 0:
        ranks = torch.arange(len(boxes), 0, -1, device=boxes.device, dtype=boxes.dtype)
        # mmcv compares with a threshold in float32.
        kept: Tensor = torch.ops.torchvision.nms(ordered, ranks, float(np.float32(iou_threshold)))
        return order[kept]
    groups = _greedy(ordered.cpu().numpy(), offset, np.greater, iou_threshold)
    return order[[int(group[0]) for group in groups]]


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """For each detection that suppression keeps, the best first: its index, then those that it suppresses.

    Args:
        dets: Boxes and scores, `(N, 5)`.
        iou_threshold: The intersection over union from which a box is suppressed.
    """
    order = dets[:, 4].argsort(descending=True)
    groups = _greedy(dets[order, :4].numpy(), 0, np.greater_equal, iou_threshold)
    return [order[group].tolist() for group in groups]


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft suppression (https://arxiv.org/abs/1704.04503): scores decay with the overlap with better boxes.

    Args:
        boxes: `(N, 4)`, on the CPU.
        scores: `(N,)`.
        dets: `(N, 5)`, whose first rows receive the boxes that are kept, in order, and their decayed scores.
        iou_threshold: The intersection over union from which a score decays, for methods 0 and 1.
        sigma: Width of the decay of method 2.
        min_score: The score below which a box is dropped.
        method: 0 drops the overlapping boxes, 1 decays linearly, 2 by a Gaussian.
        offset: See the module.

    Returns:
        The indices of the boxes that are kept.
    """
    corners, score = boxes.numpy(), scores.numpy().copy()
    remaining = np.arange(len(corners))
    kept, final = [], []
    with np.errstate(divide='ignore', invalid='ignore'):
        areas = _area(corners, offset)
        while remaining.size:
            # The first of the highest; NaN counts only in the first place, where every comparison with it fails.
            current = score[remaining]
            best = 0 if np.isnan(current[0]) else int(np.nanargmax(current))
            chosen = remaining[best]
            remaining[best] = remaining[0]
            rest = remaining[1:]
            kept.append(chosen)
            final.append(score[chosen])

            overlap = _overlap(corners[chosen], corners[rest], areas[chosen], areas[rest], offset)
            if method == 2:
                # In float64 and rounded, as the C library's expf; numpy's in float32 has another last bit.
                weight = np.exp((-(overlap * overlap) / score.dtype.type(sigma)).astype(np.float64))
            else:
                weight = np.where(overlap >= iou_threshold, 1 - overlap if method == 1 else 0, 1)
            score[rest] *= weight.astype(score.dtype)

            # mmcv moves the last box into the place of a dropped one, which decides between equal scores later.
            alive = ~(score[rest] < min_score)
            count = np.count_nonzero(alive)
            rest[:count][~alive[:count]] = rest[count:][alive[count:]][::-1]
            remaining = rest[:count]
    indices = torch.tensor(kept, dtype=torch.long)
    dets[: len(kept), :4] = boxes[indices]
    dets[: len(kept), 4] = torch.tensor(np.array(final, score.dtype))
    return indices


def bbox_overlaps(bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int) -> None:
    """Write the intersection of boxes `(M, 4)` and `(N, 4)` over their union (mode 0) or over the first box (mode 1).

    ``ious`` is `(M, N)`; with ``aligned`` it is `(M,)`, and each box is compared with the one in the same row.
    """
    first = bboxes1 if aligned else bboxes1[:, None]
    extent = torch.min(first[..., 2:], bboxes2[..., 2:]) - torch.max(first[..., :2], bboxes2[..., :2]) + offset
    shared = extent.clamp(min=0).prod(-1)
    area = (first[..., 2:] - first[..., :2] + offset).prod(-1)
    if mode == 0:
        area = area + (bboxes2[..., 2:] - bboxes2[..., :2] + offset).prod(-1) - shared
    ious.copy_(shared / area)


def _greedy(boxes: Array, offset: int, exceeds: np.ufunc, threshold: float) -> list[Array]:
    """For boxes in the order of their scores: each box that is kept, then those that it suppresses."""
    groups = []
    remaining = np.arange(len(boxes))
    with np.errstate(divide='ignore', invalid='ignore'):
        areas = _area(boxes, offset)
        while remaining.size:
            best, rest = remaining[0], remaining[1:]
            suppressed = exceeds(_overlap(boxes[best], boxes[rest], areas[best], areas[rest], offset), threshold)
            groups.append(np.concatenate([remaining[:1], rest[suppressed]]))
            remaining = rest[~suppressed]
    return groups


def _area(boxes: Array, offset: int) -> Array:
    width, height = (boxes[:, 2:] - boxes[:, :2] + offset).T
    return width * height


def _overlap(box: Array, boxes: Array, area: float, areas: Array, offset: int) -> Array:
    """Intersection over union of one box with others, NaN for a box without a size."""
    extent = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]) + offset
    width, height = np.fmax(extent, 0).T
    shared = width * height
    return shared / (area + areas - shared)
