"""Deformable convolution against compiled mmcv."""

import mmcv.ops
import pytest
import torch
from torch import Tensor

RTOL = {torch.float32: 2e-5, torch.float64: 1e-10}
GEOMETRIES = {  # kernel, stride, padding, dilation, groups, offset groups
    'usual': ((3, 3), 1, 1, 1, 1, 1),
    'strided': ((3, 3), 2, 1, 1, 1, 2),
    'grouped and dilated': ((3, 3), 1, 2, 2, 2, 4),
    'uneven': ((1, 5), (2, 1), (0, 2), (1, 1), 1, 1),
}


def tensors(geometry: tuple, dtype: torch.dtype, spread: float, modulated: bool) -> list[Tensor]:
    (height, width), stride, padding, dilation, groups, offset_groups = geometry
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=dtype, generator=generator)

    x, weight, bias = random(2, 8, 11, 14), random(4, 8 // groups, height, width), random(4)
    shape = torch.nn.functional.conv2d(x, weight, None, stride, padding, dilation, groups).shape[2:]
    offset = spread * random(2, 2 * offset_groups * height * width, *shape)
    mask = random(2, offset_groups * height * width, *shape).sigmoid()
    return [x, offset, mask, weight, bias] if modulated else [x, offset, weight]


# 0: a new layer, whose padding is sampled at -1, where the interpolation has a kink; 0.5 rounded: kinks everywhere.
@pytest.mark.parametrize('spread', [0, 0.5, 3])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('geometry', GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize('modulated', [False, True])
def test_deform_conv(modulated, geometry, dtype, spread, run_both, with_gradients):
    inputs = tensors(geometry, dtype, spread, modulated)
    if spread == 0.5:
        inputs[1] = inputs[1].round()
    settings = geometry[1:]

    def call() -> list[Tensor]:
        if modulated:
            return with_gradients(lambda *leaves: mmcv.ops.modulated_deform_conv2d(*leaves, *settings), inputs)
        return with_gradients(lambda *leaves: mmcv.ops.deform_conv2d(*leaves, *settings), inputs)

    expected, mine = run_both('modulated_deform_conv' if modulated else 'deform_conv', call)
    for first, second in zip(expected, mine, strict=True):
        assert first.any() or not spread
        torch.testing.assert_close(second, first, rtol=RTOL[dtype], atol=RTOL[dtype] * float(first.abs().max()))


@pytest.mark.parametrize('needed', [(True, False, False), (False, True, False), (False, False, True)])
def test_single_gradients(needed, run_both):
    """Each gradient alone, twice over one graph: that of the weight comes with the others in one pass."""
    inputs = tensors(GEOMETRIES['usual'], torch.float64, 1, False)

    def call() -> list[Tensor]:
        leaves = [tensor.clone().requires_grad_(need) for tensor, need in zip(inputs, needed, strict=True)]
        output = mmcv.ops.deform_conv2d(*leaves, 1, 1)
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        return [
            torch.autograd.grad(output, wanted, torch.full_like(output, factor), retain_graph=True)[0]
            for factor in (1.0, 2.0)
        ]

    expected, mine = run_both('deform_conv', call)
    torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-10)


def test_two_backward_passes_over_one_graph(run_both):
    inputs = tensors(GEOMETRIES['usual'], torch.float64, 1, False)

    def call() -> list[Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        output = mmcv.ops.deform_conv2d(*leaves, 1, 1)
        for factor in (1.0, 2.0):
            output.backward(torch.full_like(output, factor), retain_graph=True)
        return [leaf.grad for leaf in leaves]

    expected, mine = run_both('deform_conv', call)
    torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('name', ['DeformConv2dPack', 'ModulatedDeformConv2dPack', 'SAConv2d'])
def test_layers(name, run_both):
    torch.manual_seed(0)
    layer = getattr(mmcv.ops, name)(4, 6, 3, padding=1, **({'use_deform': True} if name == 'SAConv2d' else {})).double()
    x = torch.randn(2, 4, 9, 10, dtype=torch.float64)

    def call() -> list[Tensor]:
        layer.zero_grad()
        output = layer(x)
        output.square().sum().backward()
        return [
            output.detach(),
            *(parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None),
        ]

    expected, mine = run_both('modulated_deform_conv' if name.startswith('M') else 'deform_conv', call)
    assert len(expected) > 3
    torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-10)
