"""Faster training steps, each by one line of a config; what they were measured to give is in docs/performance.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import nn

from ..registry import HOOKS, OPTIM_WRAPPERS

__all__ = ['Bf16OptimWrapper', 'ChannelsLastHook', 'CompileHook']


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keeps weights, and by them all activations, in channels_last order, in training and in testing."""

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        """Reorder the weights; optimizers and checkpoints keep working on the same parameters."""
        # After weights were drawn: drawing fills memory in its order, and other weights would come out.
        runner.model.to(memory_format=torch.channels_last)

    before_val = before_test = before_train


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles backbone and neck by torch.compile, each as one graph; heads, losses and data stay as they are.

    mmengine's `compile=True` compiles the whole `forward` of a model, which breaks at the first thing that is no
    tensor. A batch size or image size that is new is compiled again, from the second on for any size.

    Args:
        options: what `torch.compile` takes, such as `dict(mode='max-autotune')`.

    Raises torch's error, with the place, if a part is not one graph.
    """

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        self._options = options or {}

    def before_train(self, runner: Any) -> None:
        """Compile in place: parameters and their names in checkpoints stay."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name in ('backbone', 'neck'):
            if isinstance(part := getattr(model, name, None), nn.Module):
                part.compile(fullgraph=True, **self._options)


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """Trains in bfloat16 where autocast deems it safe, on a GPU and on a CPU; parameters and their sums stay fp32.

    Its range is that of fp32: unlike mmengine's AmpOptimWrapper, which needs a GPU, it scales no loss.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Around each forward pass of `model`."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
