"""Faster training steps, each enabled by one line of a config; docs/performance.md has the measurements."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ..registry import HOOKS, OPTIM_WRAPPERS
from ._mmengine import bare_model

__all__ = ['Bf16OptimWrapper', 'ChannelsLastHook', 'CompileHook']


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Weights, and thereby all activations, in channels_last memory format, in training and testing."""

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        """Convert the weights; optimizers and checkpoints keep the same parameters."""
        # After initialization, which fills memory in order and would otherwise draw other weights.
        runner.model.to(memory_format=torch.channels_last)

    before_val = before_test = before_train


@HOOKS.register_module()
class CompileHook(Hook):
    """Compilation of backbone and neck by torch.compile, each as one graph; heads, losses and data stay uncompiled.

    mmengine's `compile=True` compiles the whole `forward` of a model, which breaks at the first value that is not a
    tensor. A second batch or image size triggers a compilation for any size.

    Args:
        options: Arguments of `torch.compile`, such as `dict(mode='max-autotune')`.

    Raises:
        torch._dynamo.exc.Unsupported: The backbone or neck is not one graph.
    """

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        self._options = options or {}

    def before_train(self, runner: Any) -> None:
        """Compile in place, which keeps the parameters and their names in checkpoints."""
        model = bare_model(runner.model)
        for name in ('backbone', 'neck'):
            if isinstance(part := getattr(model, name, None), nn.Module):
                part.compile(fullgraph=True, **self._options)


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """Training in bfloat16 where autocast considers it safe, on GPUs and CPUs; parameters and their sums stay fp32.

    bfloat16 has the range of fp32. Unlike mmengine's AmpOptimWrapper, which needs a GPU, this wrapper needs no loss
    scaling.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Surround each forward pass of `model`."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16), ExitStack() as stack:
            for part in _without_bfloat16(model):
                stack.enter_context(_fp32_interface(part, device))
            yield


def _without_bfloat16(model: nn.Module) -> list[nn.Module]:
    """Return the modules whose inputs or outputs go to code without bfloat16.

    NumPy, which mmpose uses to measure accuracy, has none, nor have mmcv's operators, such as NMS after a dense head,
    RoIAlign and deformable convolution.
    """
    heads = ('head', 'rpn_head', 'bbox_head')
    return [
        part
        for name, part in bare_model(model).named_modules()
        if name in heads or hasattr(part, 'roi_layers') or _is_mmcv_operator(part)
    ]


def _is_mmcv_operator(module: nn.Module) -> bool:
    return any(cls.__module__.startswith('mmcv.ops.') for cls in type(module).__mro__)


@contextmanager
def _fp32_interface(module: nn.Module, device: str) -> Iterator[None]:
    """Convert, within a `with` block, bf16 inputs and outputs of `module.forward` to fp32, also in direct calls.

    An mmcv operator computes entirely in fp32, because some contain a convolution whose output they use.
    """
    forward, own = module.forward, vars(module).get('forward')
    in_bfloat16 = not _is_mmcv_operator(module)

    def converted(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device, torch.bfloat16, enabled=in_bfloat16):
            return tree_map(_as_fp32, forward(*tree_map(_as_fp32, args), **tree_map(_as_fp32, kwargs)))

    module.forward = converted
    try:
        yield
    finally:
        del module.forward  # restores the class's method, unless the module had its own
        if own is not None:
            module.forward = own


def _as_fp32(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.bfloat16 else value
