"""Multi-scale deformable attention (https://arxiv.org/abs/2010.04159).

Shapes: `value` `(N, sum of H * W, heads, C)`, `value_spatial_shapes` `(levels, 2)` with H before W,
`sampling_locations` `(N, queries, heads, levels, points, 2)` with x before y, from 0 to 1,
`attention_weights` `(N, queries, heads, levels, points)`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ._autograd import gradients


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Return the weighted sum of the sampled values, `(N, queries, heads * C)`."""
    return _attend(value_spatial_shapes, value, sampling_locations, attention_weights)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Write the gradients of the values, the locations and the weights."""
    inputs = (value, sampling_locations, attention_weights)
    grads = gradients(lambda *leaves: _attend(value_spatial_shapes, *leaves), inputs, grad_output)
    for target, grad in zip((grad_value, grad_sampling_loc, grad_attn_weight), grads, strict=True):
        assert grad is not None
        target.copy_(grad)


def _attend(shapes: Tensor, value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    batch, _, heads, channels = value.shape
    sizes = shapes.tolist()
    # One image for each head: (N * heads, C, H, W) is sampled at (N * heads, queries, points, 2).
    images = value.permute(0, 2, 3, 1).flatten(0, 1).split([height * width for height, width in sizes], -1)
    grids = (2 * locations - 1).transpose(1, 2).flatten(0, 1).unbind(2)
    factors = weights.transpose(1, 2).flatten(0, 1).unbind(2)
    output: Tensor | float = 0.0
    for size, image, grid, factor in zip(sizes, images, grids, factors, strict=True):
        sampled = F.grid_sample(image.unflatten(-1, size), grid, align_corners=False)
        output = output + torch.einsum('icqp,iqp->iqc', sampled, factor)
    assert isinstance(output, Tensor)
    return output.unflatten(0, (batch, heads)).transpose(1, 2).reshape(batch, -1, heads * channels)
