"""Suppression, matching and overlaps of boxes `(x1, y1, x2, y2)`, in the arithmetic of mmcv's CPU operators.

Their decisions are equal to mmcv's, ties included, because each value is computed in the dtype of the boxes and in
the same order. `offset` is 1 where x2 and y2 are the last pixels of a box, and 0 where they are its edges.
"""

import numpy as np
import numpy.typing as npt
import torch
import torchvision  # noqa: F401 - registers torch.ops.torchvision
from torch import Tensor

Array = npt.NDArray[np.floating]
BLOCK = 64  # boxes whose overlaps with all others are in memory at once


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices of the boxes `(N, 4)` that greedy suppression keeps, the best first."""
    # Among equal scores the order is that of torch's sort, as in mmcv; torchvision's own sort is another one.
    order = scores.argsort(descending=True)
    ordered = boxes[order]
    if offset == 0:
        ranks = torch.arange(len(boxes), 0, -1, device=boxes.device, dtype=boxes.dtype)
        # mmcv compares with a threshold in float32.
        kept: Tensor = torch.ops.torchvision.nms(ordered, ranks, float(np.float32(iou_threshold)))
        return order[kept]
    groups = _greedy(ordered.detach().cpu().numpy(), offset, np.greater, iou_threshold)
    return order[[int(group[0]) for group in groups]]


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Return, for each detection that suppression keeps, the best first, its index and those that it suppresses.

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
    """Suppress softly: scores decay with the overlap with better boxes (https://arxiv.org/abs/1704.04503).

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
    corners = _corners(boxes.detach().numpy(), offset)
    state = np.concatenate([corners, scores.detach().numpy()[None]])  # (6, N), the scores last
    indices = np.arange(state.shape[1])
    start, end = 0, len(indices)
    while start < end:
        best = start + _first_highest(state[5, start:end])
        state[:, [start, best]] = state[:, [best, start]]
        indices[[start, best]] = indices[[best, start]]
        overlap = _overlap(state[:, start], state[:, start + 1 : end], offset)
        start += 1

        if method == 2:
            # In float64 and rounded, as the C library's expf; numpy's in float32 has another last bit.
            weight = np.exp((-(overlap * overlap) / state.dtype.type(sigma)).astype(np.float64))
        else:
            weight = np.where(overlap >= iou_threshold, 1 - overlap if method == 1 else 0, 1)
        state[5, start:end] *= weight.astype(state.dtype)

        dropped = state[5, start:end] < min_score
        if dropped.any():
            # The last boxes move into the places of the dropped ones, which decides between equal scores later.
            left = start + np.count_nonzero(~dropped)
            holes = start + np.flatnonzero(dropped[: left - start])
            moved = left + np.flatnonzero(~dropped[left - start :])[::-1]
            state[:, holes], indices[holes] = state[:, moved], indices[moved]
            end = left
    dets[:end] = torch.from_numpy(state[[0, 1, 2, 3, 5], :end].T)
    return torch.from_numpy(indices[:end])


def bbox_overlaps(bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int) -> None:
    """Write the intersection of boxes `(M, 4)` and `(N, 4)` over their union (mode 0) or over the first box (mode 1).

    `ious` is `(M, N)`; with `aligned` it is `(M,)`, and each box is compared with the one in the same row.
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
    corners = _corners(boxes, offset)
    remaining = np.arange(len(boxes))
    while remaining.size:
        # The overlaps of the next boxes with all others at once; all of these boxes are kept or suppressed below.
        block = corners[:, remaining[:BLOCK], None]
        hits = exceeds(_overlap(block, corners[:, None, remaining], offset), threshold)
        alive = np.ones(len(remaining), bool)
        for row, hit in enumerate(hits):
            if alive[row]:
                alive[row] = False
                suppressed = np.flatnonzero(hit & alive)
                alive[suppressed] = False
                groups.append(remaining[np.concatenate([[row], suppressed])])
        remaining = remaining[alive]
    return groups


@np.errstate(invalid='ignore')
def _corners(boxes: Array, offset: int) -> Array:
    """The coordinates and the area of boxes, `(5, N)`."""
    x1, y1, x2, y2 = boxes.T
    return np.stack([x1, y1, x2, y2, (x2 - x1 + offset) * (y2 - y1 + offset)])


@np.errstate(divide='ignore', invalid='ignore')
def _overlap(first: Array, second: Array, offset: int) -> Array:
    """Intersection over union of coordinates and areas, `(5, ...)`; NaN for a box without a size."""
    # As std::max, fmax has no NaN where one argument is a number.
    width = np.fmax(np.minimum(first[2], second[2]) - np.maximum(first[0], second[0]) + offset, 0)
    height = np.fmax(np.minimum(first[3], second[3]) - np.maximum(first[1], second[1]) + offset, 0)
    shared = width * height
    return shared / (first[4] + second[4] - shared)


def _first_highest(scores: Array) -> int:
    """The first of the highest scores; NaN counts only in the first place, where every comparison with it fails."""
    highest = int(scores.argmax())
    if np.isnan(scores[highest]):
        highest = 0 if np.isnan(scores[0]) else int(np.nanargmax(scores))
    return highest
