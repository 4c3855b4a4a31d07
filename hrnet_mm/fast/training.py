"""Faster training on a CPU with the same results: the native kernels compute a network's layers and their gradients."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from torch import nn

from ..models.layers import BasicBlock, Bottleneck
from ..registry import HOOKS
from .native.layers import convolve, kernels, normalize

__all__ = ['NativeTrainingHook', 'accelerate_training']


def accelerate_training(model: nn.Module) -> str:
    """Let the native kernels compute a network's layers in training, on the CPU and in float32.

    They compute 3x3 convolutions of stride 1 by Winograd's filtering, and batch norm with the sum and ReLU behind it in
    the residual blocks of this package. Everything else stays in PyTorch, as do these layers where no gradients are
    recorded, in bfloat16 and in compiled graphs. Parameters, their names and checkpoints stay the same; weights are
    converted to channels_last. Gradients cannot be differentiated once more, and hooks of a batch norm in a residual
    block are not called.

    Args:
        model: The network, changed in place.

    Returns:
        What computes, in a sentence.

    Examples:
        >>> from hrnet_mm.models import HRNet
        >>> print(accelerate_training(HRNet('test-w16')))  # doctest: +SKIP
        native training (avx512): 117 of 157 convolutions, 120 of 157 batch norms
    """
    model.to(memory_format=torch.channels_last)
    loaded, name = kernels()
    if loaded is None:
        return f'training stays in PyTorch, in channels_last: there are no native kernels, because {name}'
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    own = [m for m in convs if _is_direct(m)]
    for conv in own:
        conv._conv_forward = convolve
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    fused = [m for block in model.modules() if isinstance(block, BasicBlock | Bottleneck) for m in _norms(block)]
    for norm in fused:
        norm.with_relu = normalize
    return (
        f'native training ({name}): {len(own)} of {len(convs)} convolutions, {len(fused)} of {len(norms)} batch norms'
    )


def _is_direct(conv: nn.Conv2d) -> bool:
    """Whether it is an ordinary 3x3 convolution of stride 1 that keeps the size."""
    return (
        type(conv) is nn.Conv2d
        and conv.kernel_size == (3, 3)
        and conv.stride == conv.padding == conv.dilation == (1, 1)
        and conv.groups == 1
        and conv.padding_mode == 'zeros'
    )


def _norms(block: nn.Module) -> list[nn.BatchNorm2d]:
    return [m for m in block.children() if type(m) is nn.BatchNorm2d]


@HOOKS.register_module()
class NativeTrainingHook(Hook):
    """Training steps by the native kernels (`accelerate_training`), with a line in the log that says what computes."""

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        """Change the model in place; optimizers and checkpoints keep the same parameters."""
        # After initialization, which fills memory in order and would otherwise draw other weights.
        print_log(accelerate_training(runner.model), logger='current')
