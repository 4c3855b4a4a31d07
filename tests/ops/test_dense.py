"""Operators on whole maps: CARAFE, masked convolution, PSA masks, deformable attention, synchronized batch norm."""

import sys

import mmcv.ops
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import gradcheck


def random(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


# CARAFE


def carafe_loop(x: Tensor, masks: Tensor, kernel: int, groups: int, scale: int) -> Tensor:
    (count, channels, height, width), reach = x.shape, kernel // 2
    output = x.new_zeros(count, channels, height * scale, width * scale)
    for channel in range(channels):
        group = channel // (channels // groups)
        for row in range(height * scale):
            for column in range(width * scale):
                for i in range(kernel):
                    for j in range(kernel):
                        y, at = row // scale + i - reach, column // scale + j - reach
                        if 0 <= y < height and 0 <= at < width:
                            weight = masks[:, (group * kernel + i) * kernel + j, row, column]
                            output[:, channel, row, column] += x[:, channel, y, at] * weight
    return output


@pytest.mark.parametrize('settings', [(3, 1, 2), (5, 2, 2), (1, 2, 3), (3, 2, 1)])
@pytest.mark.parametrize('name', ['carafe', 'carafe_naive'])
def test_carafe(name, settings, in_python):
    in_python('carafe')
    kernel, groups, scale = settings
    x, masks = random(2, 4, 3, 5), random(2, kernel**2 * groups, 3 * scale, 5 * scale)
    output = getattr(mmcv.ops, name)(x, masks, *settings)
    torch.testing.assert_close(output, carafe_loop(x, masks, *settings), rtol=1e-12, atol=1e-12)


def test_gradients_of_carafe(in_python):
    in_python('carafe')
    x, masks = random(1, 4, 3, 4).requires_grad_(), random(1, 18, 6, 8).requires_grad_()
    assert gradcheck(lambda *leaves: mmcv.ops.carafe(*leaves, 3, 2, 2), (x, masks))


def test_layer_of_carafe(in_python):
    in_python('carafe')
    layer = mmcv.ops.CARAFEPack(8, 2)
    x = random(2, 8, 5, 6, dtype=torch.float32).requires_grad_()
    output = layer(x)
    output.sum().backward()
    assert output.shape == (2, 8, 10, 12)
    assert x.grad.any()


# Masked convolution


@pytest.mark.parametrize(('kernel', 'padding'), [((3, 3), 1), ((1, 1), 0), ((3, 5), (1, 2))])
@pytest.mark.parametrize('share', [0.0, 0.4, 1.0])
def test_masked_conv(share, kernel, padding, in_python):
    """A convolution whose output is 0 outside of the mask."""
    in_python('masked_conv')
    x, weight, bias = random(1, 3, 7, 9), random(4, 3, *kernel), random(4)
    mask = (torch.rand(1, 7, 9, generator=torch.Generator().manual_seed(0)) < share).double()
    expected = F.conv2d(x, weight, bias, padding=padding) * mask
    mine = mmcv.ops.masked_conv2d(x, mask, weight, bias, padding)
    torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12)


# PSA masks


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('size', [(5, 7), (3, 13), (1, 1), (6, 4)])
@pytest.mark.parametrize('kind', ['collect', 'distribute'])
def test_psa_mask(kind, size, dtype, run_both, with_gradients):
    layer = mmcv.ops.PSAMask(kind, size)
    x = random(2, size[0] * size[1], 4, 6, dtype=dtype)
    expected, mine = run_both('psa_mask', lambda: with_gradients(layer, [x]))
    assert expected[0].any()
    assert torch.equal(mine[0], expected[0])
    assert torch.equal(mine[1], expected[1])


# Deformable attention


def attention_case() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    shapes = torch.tensor([[5, 4], [3, 2]])
    locations = torch.rand(2, 6, 3, 2, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    start = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
    return random(2, 26, 3, 5), shapes, start, 1.6 * locations - 0.3, random(2, 6, 3, 2, 4).softmax(-1)


def attention_loop(value: Tensor, shapes: Tensor, start: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    """Zeros outside of a map, whose pixels are centered at half numbers."""
    batch, queries, heads, levels, points, _ = locations.shape
    output = value.new_zeros(batch, queries, heads, value.shape[-1])
    for n, query, head, level, point in torch.cartesian_prod(
        *map(torch.arange, (batch, queries, heads, levels, points))
    ).tolist():
        height, width = shapes[level].tolist()
        x, y = locations[n, query, head, level, point].tolist()
        x, y = x * width - 0.5, y * height - 0.5
        for row in range(height):
            for column in range(width):
                near = max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column))
                pixel = value[n, int(start[level]) + row * width + column, head]
                output[n, query, head] += near * pixel * weights[n, query, head, level, point]
    return output.flatten(2)


def test_deform_attention(in_python):
    attend = in_python('multi_scale_deform_attn').MultiScaleDeformableAttnFunction.apply
    inputs = attention_case()
    torch.testing.assert_close(attend(*inputs, 64), attention_loop(*inputs), rtol=1e-12, atol=1e-12)


def test_gradients_of_deform_attention(in_python):
    attend = in_python('multi_scale_deform_attn').MultiScaleDeformableAttnFunction.apply
    value, shapes, start, locations, weights = attention_case()
    leaves = [leaf[:1].clone().requires_grad_() for leaf in (value, locations, weights)]
    assert gradcheck(lambda v, at, w: attend(v, shapes, start, at, w, 64), leaves, fast_mode=True)


# Synchronized batch norm, on one process


def test_sync_bn(in_python):
    module = in_python('sync_bn')
    x = random(3, 5, 4, 6, dtype=torch.float32)
    results = []
    for normalize in ('torch', 'mmcv'):
        layer = nn.BatchNorm2d(5, eps=1e-3, momentum=0.3)
        with torch.no_grad():
            layer.weight.copy_(random(5, seed=1))
            layer.bias.copy_(random(5, seed=2))
        leaf = x.clone().requires_grad_()
        if normalize == 'torch':
            output = layer(leaf)
        else:
            statistics = (layer.running_mean, layer.running_var)
            output = module.SyncBatchNormFunction.apply(
                leaf, *statistics, layer.weight, layer.bias, 0.3, 1e-3, None, 1, 'default'
            )
        (output * random(*output.shape, dtype=torch.float32, seed=3)).sum().backward()
        grads = (leaf.grad, layer.weight.grad, layer.bias.grad)
        results.append([output.detach(), layer.running_mean, layer.running_var, *grads])
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-5)


def test_sync_bn_without_parameters(python):
    """As with affine=False and track_running_stats=False."""
    x = random(3, 5, 24, dtype=torch.float32)
    mean, var, std, norm, output = *torch.zeros(3, 5), torch.zeros_like(x), torch.zeros_like(x)
    python.sync_bn_forward_mean(x, mean)
    python.sync_bn_forward_var(x, mean, var)
    python.sync_bn_forward_output(
        x, mean, var, None, None, None, None, norm, std, output, eps=1e-5, momentum=torch.tensor(0.1), group_size=1
    )
    torch.testing.assert_close(output, F.batch_norm(x, None, None, training=True), rtol=1e-5, atol=1e-5)


# Layers that mmcv writes in torch already


def test_other_layers_need_no_operator(monkeypatch):
    """CornerPool, criss-cross attention, point sampling and SimpleRoIAlign run without the compiled part."""
    for name, module in list(sys.modules.items()):
        if name.startswith('mmcv.ops.') and hasattr(module, 'ext_module'):
            monkeypatch.setattr(module, 'ext_module', None)
    x = random(2, 8, 6, 7, dtype=torch.float32)
    rois = torch.tensor([[0.0, 1, 1, 5, 5], [1.0, 0, 2, 4, 6]])
    assert torch.equal(mmcv.ops.CornerPool('left')(x), x.flip(3).cummax(3).values.flip(3))
    assert mmcv.ops.CrissCrossAttention(8)(x).shape == x.shape
    assert mmcv.ops.point_sample(x, torch.rand(2, 9, 2)).shape == (2, 8, 9)
    assert mmcv.ops.SimpleRoIAlign(3, 1.0)(x, rois).shape == (2, 8, 3, 3)
