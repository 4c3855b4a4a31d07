"""Pooling of regions: RoIAlign against compiled mmcv, the operators that exist for GPUs only against loops."""

import inspect
import math
from itertools import pairwise

import mmcv.ops
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

SIZE = (3, 2)


def regions(count: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """Regions in two images of 60x80, some outside of the image, some without a size."""
    generator = np.random.default_rng(seed)
    corner, extent = generator.uniform(-15, 70, (count, 2)), generator.uniform(0, 40, (count, 2))
    extent[::7] = 0
    return torch.tensor(np.concatenate([generator.integers(0, 2, (count, 1)), corner, corner + extent], 1), dtype=dtype)


def features(dtype: torch.dtype, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, 15, 20, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('count', [0, 60])
@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_roi_align(mode, sampling_ratio, aligned, count, dtype, run_both, with_gradients):
    rois = regions(count, dtype)

    def call() -> list[Tensor]:
        return with_gradients(
            lambda x: mmcv.ops.roi_align(x, rois, (7, 5), 0.25, sampling_ratio, mode, aligned), [features(dtype)]
        )

    (output, grad), (mine, mine_grad) = run_both('roi_align', call)
    assert torch.equal(mine, output)
    # A gradient is a sum, whose order differs.
    torch.testing.assert_close(
        mine_grad, grad, rtol=1e-12 if dtype == torch.float64 else 1e-5, atol=1e-5 * grad.abs().max()
    )


def test_maximum_of_equal_samples(run_both, with_gradients):
    """Among equal samples the first has the gradient, in a map of few values and at its border."""
    rois, x = regions(40, torch.float64), features(torch.float64).round()

    def call() -> list[Tensor]:
        return with_gradients(lambda x: mmcv.ops.roi_align(x, rois, (4, 4), 0.25, 3, 'max', True), [x])

    expected, mine = run_both('roi_align', call)
    torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12)


# RoIPool


def roi_pool_loop(x: Tensor, rois: Tensor, scale: float) -> Tensor:
    output = x.new_zeros(len(rois), x.shape[1], *SIZE)
    for k, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        left, top = x1 * scale, y1 * scale
        width, height = (x2 + 1) * scale - left, (y2 + 1) * scale - top
        if width <= 0 or height <= 0:
            continue
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                rows = slice(*bounds(row * height / SIZE[0] + top, (row + 1) * height / SIZE[0] + top, x.shape[2]))
                columns = slice(
                    *bounds(column * width / SIZE[1] + left, (column + 1) * width / SIZE[1] + left, x.shape[3])
                )
                window = x[int(image), :, rows, columns].flatten(1)
                if window.shape[1]:
                    output[k, :, row, column] = window.max(1).values
    return output


def bounds(low: float, high: float, limit: int) -> tuple[int, int]:
    return min(max(math.floor(low), 0), limit), min(max(math.ceil(high), 0), limit)


@pytest.mark.parametrize('count', [0, 60])
def test_roi_pool(count, in_python, with_gradients):
    in_python('roi_pool')
    rois, x = regions(count, torch.float64), features(torch.float64)
    rois[1::9, 3:] = rois[1::9, 1:3] - 5
    expected = (
        with_gradients(lambda x: roi_pool_loop(x, rois, 0.25), [x]) if count else [x.new_zeros(0, 3, *SIZE), 0 * x]
    )
    mine = with_gradients(lambda x: mmcv.ops.roi_pool(x, rois, SIZE, 0.25), [x])
    torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12)


# Deformable RoI pooling


def interpolate(x: Tensor, y: float, column: float) -> Tensor:
    """mmcv's bilinear interpolation: the border repeats for a pixel, and further out is 0."""
    height, width = x.shape[1:]
    if y < -1 or y > height or column < -1 or column > width:
        return 0 * x[:, 0, 0]
    y, column = min(max(y, 0), height - 1), min(max(column, 0), width - 1)
    top, left = int(y), int(column)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = x[:, top, left] * (1 - (column - left)) + x[:, top, right] * (column - left)
    lower = x[:, bottom, left] * (1 - (column - left)) + x[:, bottom, right] * (column - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def deform_roi_pool_loop(
    x: Tensor, rois: Tensor, offset: Tensor | None, scale: float, ratio: int, gamma: float
) -> Tensor:
    output = x.new_zeros(len(rois), x.shape[1], *SIZE)
    for k, (image, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (value * scale - 0.5 for value in corners)
        bin_height, bin_width = (bottom - top) / SIZE[0], (right - left) / SIZE[1]
        rows, columns = ratio or math.ceil(bin_height), ratio or math.ceil(bin_width)
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                x_shift, y_shift = (0, 0) if offset is None else (gamma * offset[k, :, row, column]).tolist()
                y0 = top + row * bin_height + y_shift * (bottom - top)
                x0 = left + column * bin_width + x_shift * (right - left)
                for i in range(rows):
                    for j in range(columns):
                        y, at = y0 + (i + 0.5) * bin_height / rows, x0 + (j + 0.5) * bin_width / columns
                        output[k, :, row, column] += interpolate(x[int(image)], y, at) / (rows * columns)
    return output


@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('with_offset', [False, True])
def test_deform_roi_pool(with_offset, sampling_ratio, in_python, with_gradients):
    in_python('deform_roi_pool')
    rois, x = regions(25, torch.float64), features(torch.float64)
    offset = torch.randn(25, 2, *SIZE, dtype=torch.float64) if with_offset else None
    expected = with_gradients(lambda x: deform_roi_pool_loop(x, rois, offset, 0.25, sampling_ratio, 0.1), [x])
    mine = with_gradients(lambda x: mmcv.ops.deform_roi_pool(x, rois, offset, SIZE, 0.25, sampling_ratio, 0.1), [x])
    torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12)


def test_gradient_of_the_offset(in_python):
    in_python('deform_roi_pool')
    rois = torch.tensor([[0, 3.1, 4.2, 30.3, 41.4], [1, 20.5, 11.6, 50.7, 30.8]], dtype=torch.float64)
    offset = torch.randn(2, 2, *SIZE, dtype=torch.float64, requires_grad=True)
    x = features(torch.float64, 2)
    assert gradcheck(lambda offset: mmcv.ops.deform_roi_pool(x, rois, offset, SIZE, 0.25, 2, 0.1), offset)


def test_deform_roi_pool_of_no_region(in_python, with_gradients):
    in_python('deform_roi_pool')
    rois, offset = torch.zeros(0, 5), torch.zeros(0, 2, *SIZE)
    output, grad = with_gradients(lambda x: mmcv.ops.deform_roi_pool(x, rois, offset, SIZE), [features(torch.float32)])
    assert output.shape == (0, 3, *SIZE)
    assert not grad.any()


# Precise RoI pooling


def prroi_pool_loop(x: Tensor, rois: Tensor, scale: float) -> Tensor:
    """Cell by cell of the pixel grid, where the integral of the bilinear map is its value in the middle times the area.

    Outside of the map the value falls to 0 within a pixel.
    """
    padded = torch.nn.functional.pad(x, [20] * 4)
    output = x.new_zeros(len(rois), x.shape[1], *SIZE)
    for k, (image, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (value * scale for value in corners)
        height, width = (bottom - top) / SIZE[0], (right - left) / SIZE[1]
        for row in range(SIZE[0] if height > 0 and width > 0 else 0):
            for column in range(SIZE[1]):
                for low_y, high_y in pieces(top + row * height, top + (row + 1) * height):
                    for low_x, high_x in pieces(left + column * width, left + (column + 1) * width):
                        area = (high_y - low_y) * (high_x - low_x)
                        y, at = (low_y + high_y) / 2 + 20, (low_x + high_x) / 2 + 20
                        output[k, :, row, column] += interpolate(padded[int(image)], y, at) * area / (height * width)
    return output


def pieces(low: float, high: float) -> list[tuple[float, float]]:
    edges = [low, *range(math.floor(low) + 1, math.ceil(high)), high]
    return list(pairwise(edges))


def test_prroi_pool(python):
    rois, x = regions(30, torch.float64), features(torch.float64)
    output = torch.zeros(30, 3, *SIZE, dtype=torch.float64)
    python.prroi_pool_forward(x, rois, output, pooled_height=SIZE[0], pooled_width=SIZE[1], spatial_scale=0.25)
    torch.testing.assert_close(output, prroi_pool_loop(x, rois, 0.25), rtol=1e-12, atol=1e-12)


def test_gradients_of_prroi_pool(python):
    image = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    corners = torch.tensor([[3.1, -4.2, 30.3, 41.4], [20.5, 11.6, 90.7, 30.8]], dtype=torch.float64)
    size = {'pooled_height': SIZE[0], 'pooled_width': SIZE[1], 'spatial_scale': 0.25}

    class Pool(torch.autograd.Function):
        """mmcv's own, which takes float32 only."""

        @staticmethod
        def forward(ctx, x, corners):
            rois = torch.cat([image, corners], 1)
            output = x.new_zeros(len(rois), x.shape[1], *SIZE)
            python.prroi_pool_forward(x, rois, output, **size)
            ctx.save_for_backward(x, rois, output)
            return output

        @staticmethod
        def backward(ctx, grad_output):
            x, rois, output = ctx.saved_tensors
            grads = torch.zeros_like(x), torch.zeros_like(rois)
            python.prroi_pool_backward(grad_output, rois, grads[0], **size)
            python.prroi_pool_coor_backward(output, grad_output, x, rois, grads[1], **size)
            assert not grads[1][:, 0].any()
            return grads[0], grads[1][:, 1:]

    x = features(torch.float64, 1)[:, :, ::2, ::2].clone().requires_grad_()
    assert gradcheck(Pool.apply, (x, corners.requires_grad_()))


def test_layer_of_prroi_pool(in_python, with_gradients):
    """Through mmcv, which takes float32: equal to a mean of dense RoIAlign samples in the inside of the map."""
    in_python('prroi_pool')
    rois = torch.tensor([[0, 8.0, 8.0, 40.0, 30.0], [1, 10.3, 12.2, 50.1, 40.9]])
    mine = with_gradients(lambda x: mmcv.ops.prroi_pool(x, rois, SIZE, 0.25), [features(torch.float32)])
    dense = with_gradients(
        lambda x: mmcv.ops.roi_align(x, rois, SIZE, 0.25, 100, 'avg', False), [features(torch.float32)]
    )
    torch.testing.assert_close(mine, dense, rtol=1e-2, atol=2e-3)


def test_mmcv_has_no_other_layer_for_a_roi_extractor():
    """mmdet builds any layer of mmcv.ops that takes spatial_scale; the ones for rotated boxes and text are refused."""
    layers = {
        name
        for name in mmcv.ops.__all__
        if isinstance(getattr(mmcv.ops, name), type)
        and 'spatial_scale' in inspect.signature(getattr(mmcv.ops, name)).parameters
    }
    assert layers == {
        *('RoIAlign', 'RoIPool', 'DeformRoIPool', 'DeformRoIPoolPack', 'ModulatedDeformRoIPoolPack', 'PrRoIPool'),
        *('SimpleRoIAlign', 'RoIAlignRotated', 'RiRoIAlignRotated', 'BezierAlign'),
    }
