"""Per-process state of a training; mmengine saves only that of the first process.

Running means of batch norms are those of a process's own images, and during gradient accumulation each process holds
its own sum.
"""

from collections.abc import Iterator
from typing import Any

from mmengine.dist import all_gather_object, get_rank, get_world_size
from torch import Tensor, nn

from ._mmengine import bare_model

__all__ = ['gather_state', 'put_state']


def gather_state(runner: Any) -> list[dict[str, Tensor]]:
    """Collect the buffers and gradients of each process, on the CPU.

    Each process must call this.

    Args:
        runner: The runner.

    Returns:
        One dict for each process; empty if a checkpoint holds all of them anyway.
    """
    state = {name: value.cpu() for name, value in _values(runner)}
    is_summing = any(name.startswith('gradient ') for name in state)
    return list(all_gather_object(state)) if get_world_size() > 1 or is_summing else []


def put_state(runner: Any, states: list[dict[str, Tensor]]) -> None:
    """Restore the state of this process, unless the number of processes has changed.

    Args:
        runner: The runner.
        states: The result of `gather_state`.
    """
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
