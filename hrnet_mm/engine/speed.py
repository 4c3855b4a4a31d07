"""Faster training steps, each by one line of a config; what they were measured to give is in docs/performance.md."""

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
        model = bare_model(runner.model)
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
        with super().optim_context(model), torch.autocast(device, torch.bfloat16), ExitStack() as stack:
            for part in _without_bfloat16(model):
                stack.enter_context(_fp32_interface(part, device))
            yield


def _without_bfloat16(model: nn.Module) -> list[nn.Module]:
    """What passes its input or output to code that has no bfloat16.

    NumPy, by which mmpose measures accuracy, has none, nor have mmcv's operators, such as NMS behind a dense head,
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
    """Within, `module.forward` takes and gives fp32 in place of bf16, also if it is called by this name.

    An operator of mmcv computes in fp32 throughout: some hold a convolution, whose output they pass on.
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
        del module.forward  # the class's again, unless the module had one of its own
        if own is not None:
            module.forward = own


def _as_fp32(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.bfloat16 else value
