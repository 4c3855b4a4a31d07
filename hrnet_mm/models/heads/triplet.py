"""CenterNet with keypoint triplets: pooling layers, target maps, and the matching of corners and centers.

Duan et al., "CenterNet: Keypoint Triplets for Object Detection", ICCV 2019. "tl", "br" and "ct" are a box's top-left
corner, bottom-right corner and center.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers import Config, build_conv, build_norm, conv_norm

__all__ = ['CascadeCornerPool', 'CenterPool', 'Peaks', 'draw_gaussian', 'find_peaks', 'match_triplets']

_BN: Config = {'type': 'BN'}
_INNER_CHANNELS = 128


class _Pool(nn.Module):
    """Base of the three poolings: two 3x3 convolutions before, a residual unit after; `(N, C, H, W)` in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.vertical_conv = _conv(channels, _INNER_CHANNELS)
        self.horizontal_conv = _conv(channels, _INNER_CHANNELS)
        self.pooled_conv = build_conv(None, _INNER_CHANNELS, channels, 3)
        self.pooled_bn = build_norm(_BN, channels)
        self.shortcut = conv_norm(channels, channels, 1, 1, None, _BN)
        self.out_conv = _conv(channels, channels)

    def _residual(self, x: Tensor, pooled: Tensor) -> Tensor:
        out: Tensor = self.out_conv(F.relu(self.pooled_bn(self.pooled_conv(pooled)) + self.shortcut(x)))
        return out


class CascadeCornerPool(_Pool):
    """Cascade corner pooling, which lets a box's corners see its sides and interior (section 3.3, figure 4c).

    A top-left corner takes the maxima to its right and below it, a bottom-right corner those to its left and above it.
    Before the maximum along one axis, each cell takes the maximum along the other.

    Args:
        channels: The channels of the input and the output.
        top_left: Whether the pooling is for top-left corners.
    """

    def __init__(self, channels: int, top_left: bool) -> None:
        super().__init__(channels)
        self.top_left = top_left
        self.vertical_look = _conv(channels, _INNER_CHANNELS)
        self.horizontal_look = _conv(channels, _INNER_CHANNELS)
        self.vertical_mix = build_conv(None, _INNER_CHANNELS, _INNER_CHANNELS, 3)
        self.horizontal_mix = build_conv(None, _INNER_CHANNELS, _INNER_CHANNELS, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, C, H, W)` to the same shape."""
        vertical = self.vertical_mix(self.vertical_conv(x) + self._pool(self.vertical_look(x), 3))
        horizontal = self.horizontal_mix(self.horizontal_conv(x) + self._pool(self.horizontal_look(x), 2))
        return self._residual(x, self._pool(vertical, 2) + self._pool(horizontal, 3))

    def _pool(self, x: Tensor, dim: int) -> Tensor:
        if self.top_left:
            return x.flip(dim).cummax(dim).values.flip(dim)
        return x.cummax(dim).values


class CenterPool(_Pool):
    """Center pooling: each cell takes the maximum of its column plus that of its row (section 3.3, figure 4a)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, C, H, W)` to the same shape."""
        columns = self.vertical_conv(x).amax(dim=2, keepdim=True)
        rows = self.horizontal_conv(x).amax(dim=3, keepdim=True)
        return self._residual(x, columns + rows)


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return conv_norm(in_channels, out_channels, 3, 1, None, _BN, relu=True)


def draw_gaussian(heatmap: Tensor, x: int, y: int, radius: int, sigma: float) -> None:
    """Raise a heatmap in place to a Gaussian with peak 1.

    Args:
        heatmap: The heatmap, `(H, W)`.
        x: The column of the peak, in cells.
        y: The row of the peak, in cells.
        radius: Half the side of the square that the Gaussian is cut to, in cells.
        sigma: The standard deviation, in cells.
    """
    height, width = heatmap.shape
    left, top = max(x - radius, 0), max(y - radius, 0)
    right, bottom = min(x + radius + 1, width), min(y + radius + 1, height)
    columns = torch.arange(left, right, device=heatmap.device) - x
    rows = torch.arange(top, bottom, device=heatmap.device) - y
    gaussian = (-(rows[:, None] ** 2 + columns**2) / (2 * sigma**2)).exp()
    view = heatmap[top:bottom, left:right]
    view.copy_(torch.maximum(view, gaussian.to(view)))


class Peaks(NamedTuple):
    """The highest local maxima of one image's heatmaps, best first; `(K,)` each, except `xy`, `(K, 2)`."""

    scores: Tensor
    labels: Tensor
    xy: Tensor
    """Coordinates in cells, including the offset."""
    place: Tensor
    """Index of the cell, y * W + x."""


def find_peaks(heatmap: Tensor, offset: Tensor, top_k: int, kernel: int = 3) -> Peaks:
    """Return the highest local maxima of a heatmap.

    Args:
        heatmap: Probabilities, `(classes, H, W)`.
        offset: The offset x, y to add to each cell, in cells, `(2, H, W)`.
        top_k: The number of peaks.
        kernel: The side of the neighborhood that a peak is the maximum of, in cells.
    """
    height, width = heatmap.shape[1:]
    highest = F.max_pool2d(heatmap[None], kernel, stride=1, padding=kernel // 2)[0]
    scores, places = torch.where(highest == heatmap, heatmap, 0).flatten().topk(min(top_k, heatmap.numel()))
    place = places % (height * width)
    cells = torch.stack([place % width, place // width], dim=1)
    return Peaks(scores, places // (height * width), cells + offset.flatten(1)[:, place].T, place)


def match_triplets(
    tl: Peaks, br: Peaks, ct: Peaks, tl_tags: Tensor, br_tags: Tensor, max_distance: float = 0.5, max_pairs: int = 1000
) -> tuple[Tensor, Tensor, Tensor]:
    """Match corners and centers to boxes (section 3.2).

    Two corners match if their classes are equal, their embeddings at most `max_distance` apart, and one lies above and
    to the left of the other. The box is kept if its central region contains a center of its class. The central region
    is the middle third of both sides, or the middle fifth for boxes over 150 x 150 pixels.

    Args:
        tl: Peaks of the top-left corners, in pixels of the image.
        br: Peaks of the bottom-right corners.
        ct: Peaks of the centers.
        tl_tags: Embeddings of the top-left corners, `(K,)`.
        br_tags: Embeddings of the bottom-right corners, `(K,)`.
        max_distance: The largest distance between embeddings.
        max_pairs: The number of best corner pairs to consider.

    Returns:
        Boxes `(M, 4)`, their scores `(M,)`, each the mean of two corners and the best center, and their labels `(M,)`.
    """
    corners = torch.cat([tl.xy[:, None].expand(-1, len(br.xy), -1), br.xy.expand(len(tl.xy), -1, -1)], dim=2)
    agree = (
        (tl.labels[:, None] == br.labels)
        & ((tl_tags[:, None] - br_tags).abs() <= max_distance)
        & (tl.xy[:, None] < br.xy).all(dim=2)
    )
    boxes, labels = corners[agree], tl.labels[:, None].expand_as(agree)[agree]
    scores, best = ((tl.scores[:, None] + br.scores) / 2)[agree].sort(descending=True)
    boxes, labels, scores = boxes[best[:max_pairs]], labels[best[:max_pairs]], scores[:max_pairs]

    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    parts = torch.where((high - low).prod(dim=2, keepdim=True) > 150**2, 5, 3)
    margin = (high - low) * (parts - 1) / (2 * parts)
    central = ((ct.xy > low + margin) & (ct.xy < high - margin)).all(dim=2) & (ct.labels == labels[:, None])
    center_scores = torch.where(central, ct.scores, 0).amax(dim=1)
    kept = central.any(dim=1)
    return boxes[kept], ((2 * scores + center_scores) / 3)[kept], labels[kept]
