"""Guard of every loading by mmengine: a network is filled, or the loading stops and names what would stay random."""

import re
from collections.abc import MutableMapping
from typing import Any

from torch import nn

from ..errors import UserError
from ..weights.load import absent_biases
from ._mmengine import built_train_loop, is_initializing, loading_runner, watch_loading

__all__ = ['guard_loading']

_LEARNED = ('weight', 'bias', 'running_mean', 'running_var')
"""The last parts of names by which a left over tensor counts, where the network has its layer."""

_MISFIT = re.compile(r'size mismatch for (\S+): ')


def guard_loading() -> None:
    """Check every checkpoint that mmengine loads from now on into a network with parts of this package.

    mmengine loads the names that fit, logs the others and continues. With the guard, `hrnet-mm test`, a Runner, the
    libraries' `init_model` and inferencers stop if a parameter is not filled, or if the file has one that a layer of
    the network lacks. A training, and the `init_cfg` of a whole network, need the backbone alone, because fine-tuning
    replaces heads.

    A bias that the file's program does not have is zero (`weights.load.absent_biases`).
    """
    watch_loading(_complete, _require_filled)


def _is_ours(network: nn.Module) -> bool:
    package = f'{__package__.partition(".")[0]}.'
    return any(type(module).__module__.startswith(package) for module in network.modules())


def _complete(network: nn.Module, weights: MutableMapping[str, Any]) -> None:
    if _is_ours(network):
        weights.update(absent_biases(network, weights))


def _require_filled(network: nn.Module, missing: list[str], left: list[str], errors: list[str]) -> None:
    if not _is_ours(network) or (part := _needed(network)) is None:
        return
    layers = {name: dict(module.named_parameters(recurse=False)) for name, module in network.named_modules()}
    needed = [name for name in _learned(network) if name.startswith(part)]
    unfit = dict.fromkeys(missing, 'missing')
    unfit |= {match[1]: 'of another shape' for error in errors if (match := _MISFIT.search(error))}
    unfit = {name: unfit[name] for name in needed if name in unfit}
    # Heads that the network does not have may be left over, but no parameter of a layer that it has.
    superfluous = [
        name
        for name in left
        if name.startswith(part) and name.rpartition('.')[2] in _LEARNED and layers.get(name.rpartition('.')[0])
    ]
    if unfit:
        first, reason = next(iter(unfit.items()))
        raise UserError(
            f'the checkpoint fills {len(needed) - len(unfit)} of {len(needed)} parameters and statistics, and '
            f'{len(unfit)} would stay random, such as {first} ({reason}); give a checkpoint of this network, if it has '
            'another layout after hrnet-mm convert MODEL --out FILE --to LIBRARY, or, to keep a random head, give the '
            "file as the backbone's init_cfg instead"
        )
    if superfluous:
        raise UserError(
            f'the checkpoint has {len(superfluous)} parameters that layers of this network lack, such as '
            f'{superfluous[0]}, so that the outputs would be others; build the network as the checkpoint was trained, '
            'such as with conv_bias=True'
        )


def _needed(network: nn.Module) -> str | None:
    """Return the prefix of the names that must be filled: all, the backbone's, or None for no check."""
    runner = loading_runner()
    if runner is None:
        whole = not is_initializing(network)
    else:
        allowed = [hook.random_heads for hook in runner.hooks if hasattr(hook, 'random_heads')]
        if not allowed and hasattr(runner, 'needs_loading_hook'):
            return None  # the config has disabled the hook
        whole = built_train_loop(runner) is None and not any(allowed)
    return '' if whole or not hasattr(network, 'backbone') else 'backbone.'


def _learned(network: nn.Module) -> list[str]:
    statistics = [name for name, _ in network.named_buffers() if name.endswith(('.running_mean', '.running_var'))]
    return [*(name for name, _ in network.named_parameters()), *statistics]
