"""The part of a training's state that each process has for itself, of which mmengine saves the first process's alone.

The running means of batch norms are those of a process's own images, and while gradients are summed over several
batches each process holds its own sum.
"""

from collections.abc import Iterator
from typing import Any

from mmengine.dist import all_gather_object, get_rank, get_world_size
from torch import Tensor, nn

from ._mmengine import bare_model

__all__ = ['gather_state', 'put_state']


def gather_state(runner: Any) -> list[dict[str, Tensor]]:
    """By process, its buffers and gradients, on the CPU; empty where a checkpoint holds all of them anyway.

    Each process must call this.
    """
    state = {name: value.cpu() for name, value in _values(runner)}
    is_summing = any(name.startswith('gradient ') for name in state)
    return list(all_gather_object(state)) if get_world_size() > 1 or is_summing else []


def put_state(runner: Any, states: list[dict[str, Tensor]]) -> None:
    """Give this process its part back, unless the number of processes has changed."""
    if len(states) != get_world_size():
        return
    state = states[get_rank()]
    for name, value in _values(runner):
        value.copy_(state.get(name, value))
    for name, parameter in bare_model(runner.model).named_parameters():
        if (gradient := state.get(f'gradient {name}')) is not None:
            parameter.grad = gradient.to(parameter.device)


def _values(runner: Any) -> Iterator[tuple[str, Tensor]]:
    model = bare_model(runner.model)
    averages = [hook.ema_model for hook in runner.hooks if isinstance(getattr(hook, 'ema_model', None), nn.Module)]
    for index, module in enumerate([model, *averages]):
        for name, buffer in module.named_buffers():
            yield f'buffer {index} {name}', buffer
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            yield f'gradient {name}', parameter.grad
