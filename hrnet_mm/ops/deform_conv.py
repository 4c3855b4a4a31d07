"""Deformable convolution by torchvision: v1 (https://arxiv.org/abs/1703.06211) and v2 (https://arxiv.org/abs/1811.11168).

Shapes: `input` `(N, C, H, W)`, `offset` `(N, 2 * groups * kH * kW, H', W')` with y before x, `mask`
`(N, groups * kH * kW, H', W')`, `output` `(N, C', H', W')`. `columns`, `ones` and `im2col_step` are the
compiled operator's buffers and the size of its chunks.
"""

from typing import Any

import torch
import torchvision  # noqa: F401 - registers torch.ops.torchvision
from torch import Tensor

Pair = tuple[int, int]


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Write the convolution with weights sampled at the offsets."""
    geometry = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    output.copy_(_convolve(input, weight, offset, None, None, geometry))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Write the gradients of the input and the offsets, and leave that of the weight in `columns`."""
    geometry = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    grads = _gradients(gradOutput, input, weight, offset, None, None, geometry)
    gradInput.copy_(grads[0])
    gradOffset.copy_(grads[2])
    # torchvision computes all gradients in one pass, and mmcv asks for the weight's next, with the same buffer.
    columns.resize_(weight.shape).copy_(grads[1])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add the gradient of the weight."""
    if columns.shape != gradWeight.shape:  # neither the input nor the offsets need a gradient
        geometry = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
        columns = _gradients(gradOutput, input, gradWeight, offset, None, None, geometry)[1]
    gradWeight.add_(columns, alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write the convolution with weights sampled at the offsets and multiplied by the mask."""
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group)
    output.copy_(_convolve(input, weight, offset, mask, bias if with_bias else None, geometry))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write the gradients of the input, the weight, the bias, the offsets and the mask."""
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group)
    grads = _gradients(grad_output, input, weight, offset, mask, bias if with_bias else None, geometry)
    for target, grad in zip((grad_input, grad_weight, grad_offset, grad_mask), grads, strict=False):
        target.copy_(grad)
    if with_bias:
        grad_bias.copy_(grads[4])


def _convolve(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, bias: Tensor | None, geometry: tuple[int, ...]
) -> Tensor:
    arguments = (input, weight, offset, *_mask_and_bias(input, weight, mask, bias), *geometry, mask is not None)
    output: Tensor = torch.ops.torchvision.deform_conv2d(*arguments)
    return output


def _gradients(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: tuple[int, ...],
) -> Any:
    """The gradients of the input, the weight, the offset, the mask and the bias."""
    offset = _off_the_edge(offset, (weight.shape[2], weight.shape[3]), *geometry[:6])
    arguments = (input, weight, offset, *_mask_and_bias(input, weight, mask, bias), *geometry, mask is not None)
    return torch.ops.torchvision._deform_conv2d_backward(grad_output, *arguments)


def _mask_and_bias(input: Tensor, weight: Tensor, mask: Tensor | None, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    return (
        input.new_zeros(len(input), 1) if mask is None else mask,
        input.new_zeros(len(weight)) if bias is None else bias,
    )


def _off_the_edge(
    offset: Tensor,
    kernel: Pair,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
) -> Tensor:
    """The offsets, with samples at coordinate -1 moved to -2, where the value is 0 all the same.

    The interpolated value has a kink at -1. There the gradient of mmcv is 0, and that of torchvision is the one of the
    inner side. The offsets of a new layer are 0, so that its padding is sampled at just -1.
    """
    shift = offset.unflatten(1, (-1, *kernel, 2))  # (N, groups, kH, kW, 2, H', W')

    def places(size: int, stride: int, pad: int, taps: int, dilation: int) -> Tensor:
        out = torch.arange(size, device=offset.device) * stride - pad
        return torch.arange(taps, device=offset.device)[:, None] * dilation + out  # (taps, size)

    rows = places(offset.shape[2], stride_h, pad_h, kernel[0], dilation_h)[:, None, :, None]
    columns = places(offset.shape[3], stride_w, pad_w, kernel[1], dilation_w)[None, :, None, :]
    place = torch.stack(torch.broadcast_tensors(rows, columns), 2)  # (kH, kW, 2, H', W')
    return torch.where(shift + place == -1, shift - 1, shift).flatten(1, 4)
