"""CARAFE (https://arxiv.org/abs/1905.02188): upsampling with a kernel for each output pixel.

Shapes: `features` `(N, C, H, W)`, `masks` `(N, group_size * kernel_size^2, sH, sW)`, `output` `(N, C, sH, sW)`,
where s is `scale_factor`. The `r...` tensors are the compiled operator's buffers in its own memory format; only
`rfeatures` is used here, because mmcv keeps it for the backward pass.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor


def carafe_naive_forward(
    features: Tensor, masks: Tensor, output: Tensor, kernel_size: int, group_size: int, scale_factor: int
) -> None:
    """Write the sum of each output pixel's neighborhood, weighted with its kernel."""
    upsampled = _upsample(features, kernel_size, group_size, scale_factor)
    output.zero_()
    grouped = output.unflatten(1, (group_size, -1))
    for neighbor, mask in _neighbors(upsampled, masks, kernel_size, group_size, scale_factor):
        grouped.addcmul_(neighbor, mask)


def carafe_naive_backward(
    top_grad: Tensor,
    features: Tensor,
    masks: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the gradients of the features and the masks."""
    upsampled = _upsample(features, kernel_size, group_size, scale_factor)
    upsampled_grad = torch.zeros_like(upsampled)
    grouped = top_grad.unflatten(1, (group_size, -1))
    neighbors = _neighbors(upsampled, masks, kernel_size, group_size, scale_factor)
    targets = _neighbors(upsampled_grad, mask_grad, kernel_size, group_size, scale_factor)
    for (neighbor, mask), (neighbor_grad, grad) in zip(neighbors, targets, strict=True):
        neighbor_grad.addcmul_(grouped, mask)
        grad.copy_((grouped * neighbor).sum(2, keepdim=True))
    # Nearest upsampling and padding, backward.
    summed = upsampled_grad.flatten(1, 2).unflatten(3, (-1, scale_factor)).sum(4)
    summed = summed.unflatten(2, (-1, scale_factor)).sum(3)
    pad = kernel_size // 2
    bottom_grad.copy_(summed[..., pad : pad + features.shape[2], pad : pad + features.shape[3]])


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the same as `carafe_naive_forward`, and the features that the backward pass receives."""
    rfeatures.copy_(features)
    carafe_naive_forward(features, masks, output, kernel_size, group_size, scale_factor)


def carafe_backward(
    top_grad: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rtop_grad: Tensor,
    rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor,
    rmask_grad: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the gradients of the features and the masks."""
    carafe_naive_backward(top_grad, rfeatures, masks, bottom_grad, mask_grad, kernel_size, group_size, scale_factor)


def _upsample(features: Tensor, kernel_size: int, group_size: int, scale_factor: int) -> Tensor:
    """Padded, nearest upsampled features, `(N, groups, C / groups, ...)`."""
    padded = F.pad(features, [kernel_size // 2] * 4)
    large = padded.repeat_interleave(scale_factor, 2).repeat_interleave(scale_factor, 3)
    return large.unflatten(1, (group_size, -1))


def _neighbors(
    upsampled: Tensor, masks: Tensor, kernel_size: int, group_size: int, scale_factor: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each place in the kernel: the features there, and the weights `(N, groups, 1, sH, sW)`; both are views."""
    height, width = masks.shape[2:]
    weights = masks.unflatten(1, (group_size, 1, kernel_size, kernel_size))
    for y in range(kernel_size):
        for x in range(kernel_size):
            top, left = y * scale_factor, x * scale_factor
            yield upsampled[..., top : top + height, left : left + width], weights[:, :, :, y, x]
