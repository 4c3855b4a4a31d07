"""CenterNet with key-point triplets: its pooling layers, target maps, and the matching of corners and centres.

Duan et al., "CenterNet: Keypoint Triplets for Object Detection", ICCV 2019; "tl", "br" and "ct" are a box's top-left
corner, bottom-right corner and centre.
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
    """What the three poolings share: two 3x3 convolutions before, a residual unit after; `(N, C, H, W)` in and out."""

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
    """Lets the corners of a box see its sides, and from there its inside (section 3.3, figure 4c).

    A top-left corner takes the maxima of what lies below and to the right of it, the other corner of what lies
    above and to the left; before the maximum along one axis, each place takes the maximum along the other.
    """

    def __init__(self, channels: int, top_left: bool) -> None:
        super().__init__(channels)
        self.top_left = top_left
        self.vertical_look = _conv(channels, _INNER_CHANNELS)
        self.horizontal_look = _conv(channels, _INNER_CHANNELS)
        self.vertical_mix = build_conv(None, _INNER_CHANNELS, _INNER_CHANNELS, 3)
        self.horizontal_mix = build_conv(None, _INNER_CHANNELS, _INNER_CHANNELS, 3)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same."""
        vertical = self.vertical_mix(self.vertical_conv(x) + self._pool(self.vertical_look(x), 3))
        horizontal = self.horizontal_mix(self.horizontal_conv(x) + self._pool(self.horizontal_look(x), 2))
        return self._residual(x, self._pool(vertical, 2) + self._pool(horizontal, 3))

    def _pool(self, x: Tensor, dim: int) -> Tensor:
        if self.top_left:
            return x.flip(dim).cummax(dim).values.flip(dim)
        return x.cummax(dim).values


class CenterPool(_Pool):
    """Gives every place the maximum of its column plus that of its row (section 3.3, figure 4a)."""

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same."""
        columns = self.vertical_conv(x).amax(dim=2, keepdim=True)
        rows = self.horizontal_conv(x).amax(dim=3, keepdim=True)
        return self._residual(x, columns + rows)


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return conv_norm(in_channels, out_channels, 3, 1, None, _BN, relu=True)


def draw_gaussian(heatmap: Tensor, x: int, y: int, radius: int, sigma: float) -> None:
    """Raise `heatmap` `(H, W)`, in place, to a Gaussian of peak 1 at cell (x, y), cut to a square of that radius."""
    height, width = heatmap.shape
    left, top = max(x - radius, 0), max(y - radius, 0)
    right, bottom = min(x + radius + 1, width), min(y + radius + 1, height)
    columns = torch.arange(left, right, device=heatmap.device) - x
    rows = torch.arange(top, bottom, device=heatmap.device) - y
    gaussian = (-(rows[:, None] ** 2 + columns**2) / (2 * sigma**2)).exp()
    view = heatmap[top:bottom, left:right]
    view.copy_(torch.maximum(view, gaussian.to(view)))


class Peaks(NamedTuple):
    """The highest local maxima of an image's heat-maps, best first: all of shape `(K,)`, `xy` `(K, 2)`."""

    scores: Tensor
    labels: Tensor
    xy: Tensor
    """In cells, offset included."""
    place: Tensor
    """y * W + x of the cell."""


def find_peaks(heatmap: Tensor, offset: Tensor, top_k: int, kernel: int = 3) -> Peaks:
    """The `top_k` places of `heatmap` `(classes, H, W)`, in 0..1, that no place within the kernel exceeds.

    `offset` `(2, H, W)` is the part of a cell, x and y, to add.
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
    """The boxes `(M, 4)` whose corners agree and whose central region holds a centre, their scores and labels `(M,)`.

    Coordinates of the peaks are in pixels of the image; `tl_tags` and `br_tags` `(K,)` are the corners' embeddings.
    Corners agree if their classes are equal, their embeddings at most `max_distance` apart, and the one lies above
    and left of the other; the best `max_pairs` of them are looked at. The central region is the middle third of
    both sides, of boxes over 150 x 150 pixels the middle fifth. The score is the mean of the two corners' and of
    the best centre's of that class in the region (section 3.2).
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
