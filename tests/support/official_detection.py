"""Arithmetic of the official detection code, written from its description.

A box `(x1, y1, x2, y2)` contains its last column x2 and row y2, so that its width is x2 - x1 + 1. Sources:
HRNet-Object-Detection (mmdetection 0.5) and HRNet-MaskRCNN-Benchmark.
"""

import math

import torch


def sizes(boxes):
    """Widths and heights of boxes (..., 4)."""
    return boxes[..., 2:] - boxes[..., :2] + 1


def encode(anchors, truth, stds=(1, 1, 1, 1)):
    """Deltas from anchors to true boxes."""
    centers = anchors[..., :2] + sizes(anchors) / 2
    true_centers = truth[..., :2] + sizes(truth) / 2
    deltas = torch.cat([(true_centers - centers) / sizes(anchors), (sizes(truth) / sizes(anchors)).log()], dim=-1)
    return deltas / torch.tensor(stds).to(deltas)


def decode(anchors, deltas, shape=None, stds=(1, 1, 1, 1)):
    """Boxes from deltas, clipped to the pixels of an image of (height, width)."""
    deltas = deltas * torch.tensor(stds).to(deltas)
    limit = math.log(1000 / 16)
    new_sizes = sizes(anchors) * deltas[..., 2:].clamp(-limit, limit).exp()
    first = anchors[..., :2] + sizes(anchors) / 2 + deltas[..., :2] * sizes(anchors) - new_sizes / 2
    boxes = torch.cat([first, first + new_sizes - 1], dim=-1)
    return boxes if shape is None else clip(boxes, shape)


def clip(boxes, shape):
    height, width = shape
    x, y = boxes[..., 0::2].clamp(0, width - 1), boxes[..., 1::2].clamp(0, height - 1)
    return torch.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], dim=-1)


def iou(first, second):
    """IoU of every pair of boxes (M, 4) and (N, 4)."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low + 1).clamp(min=0).prod(-1)
    return shared / (sizes(first).prod(-1)[:, None] + sizes(second).prod(-1)[None] - shared)


def nms(boxes, scores, threshold):
    """Indices of the boxes that stay, by falling score."""
    order, stays = scores.argsort(descending=True, stable=True).tolist(), []
    overlaps = iou(boxes, boxes)
    for i in order:
        if all(overlaps[i, j] <= threshold for j in stays):
            stays.append(i)
    return torch.tensor(stays, dtype=torch.long)


def anchor_sizes(stride, scale=8, ratios=(0.5, 1.0, 2.0), benchmark=False):
    """Widths and heights of the anchors of a level. maskrcnn-benchmark rounds before it scales."""
    if benchmark:
        widths = [round(math.sqrt(stride * stride / ratio)) for ratio in ratios]
        return [(w * scale, round(w * ratio) * scale) for w, ratio in zip(widths, ratios, strict=True)]
    return [(stride * scale / math.sqrt(ratio), stride * scale * math.sqrt(ratio)) for ratio in ratios]


def cell_anchors(stride, benchmark=False):
    """The anchors (3, 4) around the middle (stride - 1) / 2 of the first cell; mmdetection rounds their corners."""
    middle = (stride - 1) / 2
    boxes = torch.tensor(
        [
            (middle - (w - 1) / 2, middle - (h - 1) / 2, middle + (w - 1) / 2, middle + (h - 1) / 2)
            for w, h in anchor_sizes(stride, benchmark=benchmark)
        ]
    )
    return boxes if benchmark else boxes.round()


def grid_anchors(height, width, stride, benchmark=False):
    """The anchors (height * width * 3, 4) of a map."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    shifts = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4) * stride
    return (shifts + cell_anchors(stride, benchmark)).reshape(-1, 4)


def level(boxes):
    """The level of the pyramid, 0 to 3, that the features of boxes (N, 4) come from."""
    scale = sizes(boxes).prod(-1).sqrt()
    return (scale / 56 + 1e-6).log2().floor().clamp(0, 3).long()


def roi_align(feature, box, stride, size, benchmark=False):
    """Features (C, size, size) of a box in a map (C, H, W): means of 2 x 2 samples in each bin, not aligned.

    The RoI ends behind the last pixel in HRNet-Object-Detection, and in it in maskrcnn-benchmark.
    """
    x1, y1, x2, y2 = [float(v) / stride for v in (*box[:2], *(box[2:] if benchmark else box[2:] + 1))]
    width, height = (max(x2 - x1, 1), max(y2 - y1, 1)) if benchmark else (x2 - x1, y2 - y1)
    steps = (torch.arange(2 * size) + 0.5) / (2 * size)
    samples = _bilinear(feature, y1 + steps * height, x1 + steps * width)
    return samples.unflatten(1, (size, 2)).unflatten(3, (size, 2)).mean((2, 4))


def _bilinear(feature, ys, xs):
    """Values (C, len(ys), len(xs)) between the cells; cells have whole coordinates, and outside of the map is 0."""
    rows, columns = _weights(ys, feature.shape[1]), _weights(xs, feature.shape[2])
    return torch.einsum('yh,chw,xw->cyx', rows, feature, columns)


def _weights(places, length):
    weights = torch.zeros(len(places), length)
    for row, place in zip(weights, places.tolist(), strict=True):
        if -1 <= place <= length:
            place = min(max(place, 0), length - 1)
            low = min(int(place), length - 1)
            row[low] += 1 - (place - low)
            row[min(low + 1, length - 1)] += place - low
    return weights


def smooth_l1(difference, beta):
    difference = difference.abs()
    return torch.where(difference < beta, difference**2 / (2 * beta), difference - beta / 2)


def learning_rate(base, iteration, milestones, factor, linear=True, warmup=500):
    """The rate of an iteration counted from 0: a warm-up of 500 iterations, and a tenth after each milestone."""
    rate = base * 0.1 ** sum(iteration >= step for step in milestones)
    if iteration >= warmup:
        return rate
    return rate * (factor + (1 - factor) * iteration / warmup) if linear else rate * factor
