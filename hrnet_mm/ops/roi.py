"""Pooling of regions of interest: RoIAlign, RoIPool, deformable and precise RoI pooling.

Shapes: `input` `(N, C, H, W)`, `rois` `(K, 5)` with the image's index before `(x1, y1, x2, y2)` in pixels of the
image, `output` `(K, C, h, w)`. `spatial_scale` is the size of the feature map over that of the image. Each of the
`B = K * h * w` cells of the output is a *bin*.

RoIAlign's mean comes from torchvision. The other operators are written over a table of pixels, `(N * H * W, C)`: a mean
is a bag of weighted rows of it (`embedding_bag`), a maximum compares one sample of all bins after the other.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
import torchvision  # noqa: F401 - registers torch.ops.torchvision
from torch import Tensor

from ._autograd import gradients

MAXIMUM = 0  # RoIAlign's pool_mode; the other is the mean


# RoIAlign (https://arxiv.org/abs/1703.06870)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the mean or the maximum of bilinear samples of each bin, and where the maximum lies, or -1."""
    size = (aligned_height, aligned_width)
    if pool_mode != MAXIMUM:
        arguments = (input, rois, spatial_scale, *size, sampling_ratio, aligned)
        output.copy_(torch.ops.torchvision.roi_align(*arguments))
        return
    table, channels = _table(input), input.shape[1]
    image, start, extent = _regions(rois, spatial_scale, 0.5 if aligned else 0)
    if not aligned:
        extent = extent.clamp(min=1)
    grid = _grid(extent, size, sampling_ratio)
    roi, place = _bins(len(rois), size, input.device)
    step = extent / extent.new_tensor(size)

    def positions(bins: Tensor, sample: Tensor) -> Tensor:
        """The y and x of a sample of each bin, whose samples are numbered row by row, `(2, ...)`."""
        of_roi = roi[bins]
        cell = torch.stack(_row_and_column(sample, grid[of_roi, 1]), -1)
        position = start[of_roi] + place[bins] * step[of_roi] + (cell + 0.5) * step[of_roi] / grid[of_roi]
        return position.movedim(-1, 0)

    def values(bins: Tensor, sample: int) -> Tensor:
        y, x = positions(bins, torch.full_like(bins, sample))
        pixel, weight = _bilinear(y, x, image[roi[bins]], input.shape)
        first, second, third, fourth = (table[at] * factor[:, None] for at, factor in zip(pixel, weight, strict=True))
        return first + second + third + fourth

    best, sample = _maximum(grid.prod(1)[roi], values, channels, input, -10000.0)
    y, x = positions(torch.arange(len(roi), device=input.device)[:, None].expand_as(sample), sample.clamp(min=0))
    for target, value in ((output, best), (argmax_y, y), (argmax_x, x)):
        target.copy_(_to_map(value if target is output else torch.where(sample < 0, -1, value), size))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the gradient of the input."""
    if pool_mode != MAXIMUM:
        geometry = (spatial_scale, aligned_height, aligned_width, *grad_input.shape, sampling_ratio, aligned)
        grad_input.copy_(torch.ops.torchvision._roi_align_backward(grad_output, rois, *geometry))
        return
    pixel, weight = _bilinear(argmax_y, argmax_x, torch.zeros_like(argmax_y, dtype=torch.long), grad_input.shape)
    weight = weight * (argmax_y != -1)
    _add_at(grad_input, rois, pixel, weight * grad_output)


# RoIPool (https://arxiv.org/abs/1504.08083)


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the largest pixel of each bin and its index in the map; 0 and -1 for a bin without a pixel.

    Unlike torchvision, mmcv does not round the region to whole pixels.
    """
    size, limit = (pooled_height, pooled_width), rois.new_tensor(input.shape[2:])
    width = input.shape[3]
    table = _table(input)
    roi, place = _bins(len(rois), size, input.device)
    image = rois[:, 0].long()[roi]
    start = rois[:, [2, 1]] * spatial_scale
    extent = (rois[:, [4, 3]] + 1) * spatial_scale - start
    step = extent / extent.new_tensor(size)
    first = (place * step[roi] + start[roi]).floor().clamp(min=0).minimum(limit).long()
    last = ((place + 1) * step[roi] + start[roi]).ceil().clamp(min=0).minimum(limit).long()
    count = (last - first).clamp(min=0) * (extent > 0).all(1)[roi, None]

    def pixel(bins: Tensor, sample: Tensor) -> Tensor:
        row, column = _row_and_column(sample, count[bins, 1])
        return (first[bins, 0] + row) * width + first[bins, 1] + column

    def values(bins: Tensor, sample: int) -> Tensor:
        return table[image[bins] * input.shape[2] * width + pixel(bins, torch.full_like(bins, sample))]

    lowest = -torch.finfo(torch.float32).max
    best, sample = _maximum(count.prod(1), values, input.shape[1], input, lowest)
    bins = torch.arange(len(roi), device=input.device)[:, None].expand_as(sample)
    empty = count.prod(1)[:, None] == 0
    output.copy_(_to_map(torch.where(empty, 0, best), size))
    argmax.copy_(_to_map(torch.where(sample < 0, -1, pixel(bins, sample.clamp(min=0))), size))


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the gradient of the input."""
    _add_at(grad_input, rois, argmax.long().clamp(min=0)[None], (grad_output * (argmax >= 0))[None])


# Deformable RoI pooling (https://arxiv.org/abs/1703.06211)


def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Write the mean of bilinear samples of each bin, which moves by an offset.

    `offset` is `(K, 2, h, w)`, x before y, in units of `gamma` times the size of the region, or empty.
    """
    size = (pooled_height, pooled_width)
    output.copy_(_deform_roi_pool(input, offset, rois, size, spatial_scale, sampling_ratio, gamma))


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Write the gradients of the input and the offsets.

    Outside the map, where samples repeat its border, the offset has no gradient; mmcv's kernel extrapolates there.
    """
    arguments = (rois, (pooled_height, pooled_width), spatial_scale, sampling_ratio, gamma)
    grads = gradients(lambda x, shift: _deform_roi_pool(x, shift, *arguments), (input, offset), grad_output)
    for target, grad in zip((grad_input, grad_offset), grads, strict=True):
        if grad is not None:
            target.copy_(grad)


def _deform_roi_pool(
    input: Tensor,
    offset: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> Tensor:
    image, start, extent = _regions(rois, spatial_scale, 0.5)
    grid = _grid(extent, size, sampling_ratio)
    roi, place = _bins(len(rois), size, input.device)
    step = extent / extent.new_tensor(size)
    corner = start[roi] + place * step[roi]
    if offset.numel():
        corner = corner + gamma * extent[roi] * offset.flip(1).permute(0, 2, 3, 1).reshape(-1, 2)
    bins, sample, first = _ragged(grid.prod(1)[roi])
    of_roi = roi[bins]
    cell = torch.stack(_row_and_column(sample, grid[of_roi, 1]), 1)
    y, x = (corner[bins] + (cell + 0.5) * step[of_roi] / grid[of_roi]).unbind(1)
    pixel, weight = _bilinear(y, x, image[of_roi], input.shape)
    weight = weight / grid.prod(1)[of_roi]
    return _to_map(_weighted_sum(_table(input), pixel.T, weight.T, first), size)


# Precise RoI pooling (https://arxiv.org/abs/1807.11590)


def prroi_pool_forward(
    input: Tensor, rois: Tensor, output: Tensor, pooled_height: int, pooled_width: int, spatial_scale: float
) -> None:
    """Write the integral of the interpolated map over each bin, divided by the bin's area; 0 without an area."""
    output.copy_(_prroi_pool(input, rois, (pooled_height, pooled_width), spatial_scale))


def prroi_pool_backward(
    grad_output: Tensor, rois: Tensor, grad_input: Tensor, pooled_height: int, pooled_width: int, spatial_scale: float
) -> None:
    """Write the gradient of the input, in which the operator is linear."""
    size = (pooled_height, pooled_width)
    (grad,) = gradients(lambda leaf: _prroi_pool(leaf, rois, size, spatial_scale), (grad_input,), grad_output)
    assert grad is not None
    grad_input.copy_(grad)


def prroi_pool_coor_backward(
    output: Tensor,
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    grad_rois: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the gradient of the regions' coordinates."""
    size = (pooled_height, pooled_width)
    (grad,) = gradients(lambda leaf: _prroi_pool(input, leaf, size, spatial_scale), (rois,), grad_output)
    assert grad is not None
    grad_rois.copy_(grad)


def _prroi_pool(input: Tensor, rois: Tensor, size: tuple[int, int], spatial_scale: float) -> Tensor:
    height, width = input.shape[2:]
    image, start, extent = _regions(rois, spatial_scale, 0)
    roi, place = _bins(len(rois), size, input.device)
    step = extent.clamp(min=0) / extent.new_tensor(size)
    low = start[roi] + place * step[roi]
    high = low + step[roi]
    area = step.prod(1)[roi]
    # Every pixel whose interpolation reaches into the bin.
    base = low.detach().floor().long()
    count = (high.detach().ceil().long() - base + 1) * (area > 0)[:, None]
    bins, sample, first = _ragged(count.prod(1))
    pixel = base[bins] + torch.stack(_row_and_column(sample, count[bins, 1]), 1)
    y, x = pixel.unbind(1)
    weight = (_hat_integral(high[bins] - pixel) - _hat_integral(low[bins] - pixel)).prod(1) / area[bins]
    exists = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    row = torch.where(exists, (image[roi[bins]] * height + y) * width + x, 0)
    return _to_map(_weighted_sum(_table(input), row[:, None], (weight * exists)[:, None], first), size)


def _hat_integral(distance: Tensor) -> Tensor:
    """The integral of bilinear interpolation's weight, max(0, 1 - abs(t)), up to a distance from the pixel."""
    t = distance.clamp(-1, 1)
    return torch.where(t < 0, (1 + t) ** 2 / 2, 1 - (1 - t) ** 2 / 2)


# Regions, bins, samples; coordinates are (y, x), as in shapes


def _regions(rois: Tensor, scale: float, shift: float) -> tuple[Tensor, Tensor, Tensor]:
    """The image of each region, its upper left corner and its extent on the feature map, `(K,)` and twice `(K, 2)`."""
    start = rois[:, [2, 1]] * scale - shift
    return rois[:, 0].long(), start, rois[:, [4, 3]] * scale - shift - start


def _grid(extent: Tensor, size: tuple[int, int], sampling_ratio: int) -> Tensor:
    """The rows and columns of samples in the bins of each region, `(K, 2)`."""
    if sampling_ratio > 0:
        return torch.full_like(extent, sampling_ratio, dtype=torch.long)
    return (extent / extent.new_tensor(size)).ceil().clamp(min=0).long()


def _bins(regions: int, size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Of each bin: its region, `(B,)`, and its row and column, `(B, 2)`."""
    indices = [torch.arange(length, device=device) for length in (regions, *size)]
    roi, row, column = torch.meshgrid(*indices, indexing='ij')
    return roi.flatten(), torch.stack([row.flatten(), column.flatten()], 1)


def _ragged(count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The bin of each sample and its number there, `(T,)`, and the first sample of each bin, `(B,)`."""
    bins = torch.repeat_interleave(count)
    first = count.cumsum(0) - count
    return bins, torch.arange(len(bins), device=count.device) - first[bins], first


def _row_and_column(sample: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """The place of a sample in a grid whose samples are numbered row by row."""
    columns = columns.clamp(min=1)  # a bin without samples has no columns
    return sample // columns, sample % columns


def _bilinear(y: Tensor, x: Tensor, image: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Rows of the pixel table and weights of bilinear interpolation at points of any shape: twice `(4, ...)`.

    The map's border is repeated for one pixel; further out is 0.
    """
    height, width = shape[2:]
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y, x = torch.where(inside, y, 0).clamp(0, height - 1), torch.where(inside, x, 0).clamp(0, width - 1)
    top, left = y.floor(), x.floor()
    low_y, low_x = y - top, x - left
    row, column = image * height + top.long(), left.long()
    below, right = (top < height - 1).long(), (left < width - 1).long()
    pixel = torch.stack([row * width + column, row * width + column + right])
    weight = torch.stack([(1 - low_y) * (1 - low_x), (1 - low_y) * low_x, low_y * (1 - low_x), low_y * low_x])
    return torch.cat([pixel, pixel + below * width]), weight * inside


def _table(input: Tensor) -> Tensor:
    return input.permute(0, 2, 3, 1).flatten(0, 2)


def _to_map(bins: Tensor, size: tuple[int, int]) -> Tensor:
    """From `(B, C)` to `(K, C, h, w)`."""
    return bins.unflatten(0, (-1, *size)).movedim(-1, 1)


def _weighted_sum(table: Tensor, rows: Tensor, weights: Tensor, first: Tensor) -> Tensor:
    """For each bin the sum over its samples, from the `first` on, of weighted rows of the table, both `(T, taps)`."""
    return F.embedding_bag(
        rows.reshape(-1), table, first * rows.shape[1], mode='sum', per_sample_weights=weights.reshape(-1)
    )


def _maximum(
    count: Tensor, values: Callable[[Tensor, int], Tensor], channels: int, like: Tensor, lowest: float
) -> tuple[Tensor, Tensor]:
    """The first largest of the samples of each bin that exceeds `lowest`, and its number or -1: twice `(B, C)`."""
    best = like.new_full((len(count), channels), lowest)
    number = torch.full_like(best, -1, dtype=torch.long)
    for sample in range(int(count.max()) if len(count) else 0):
        bins = (count > sample).nonzero()[:, 0]
        value = values(bins, sample)
        better = value > best[bins]
        best[bins] = torch.where(better, value, best[bins])
        number[bins] = torch.where(better, sample, number[bins])
    return best, number


def _add_at(grad_input: Tensor, rois: Tensor, pixel: Tensor, value: Tensor) -> None:
    """Add values `(taps, K, C, h, w)` to the gradient at pixels of the image of their region."""
    channels, area = grad_input.shape[1], grad_input.shape[2] * grad_input.shape[3]
    image = rois[:, 0].long()[:, None, None, None]
    plane = image * channels + torch.arange(channels, device=rois.device)[:, None, None]
    index = (plane * area + pixel).flatten()
    grad_input.view(-1).index_add_(0, index, value.flatten().to(grad_input.dtype))
