"""Guards of a run against loaded weights that do not fit, and against losses and gradients that are not finite."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from mmengine.dist import all_gather_object, all_reduce, get_rank
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..errors import UserError
from ..registry import HOOKS
from ._mmengine import bare_model
from .loading import guard_loading

__all__ = ['CheckLoadedHook', 'StopOnNonFiniteHook']


@dataclass
class _Pass:
    """One forward and backward pass since the last optimizer step."""

    iteration: int
    samples: list[str]
    losses: dict[str, list[Tensor]] = field(default_factory=dict)


@HOOKS.register_module()
class StopOnNonFiniteHook(Hook):
    """Guard that stops all ranks together before a loss or gradient that is not finite changes a weight.

    The check runs inside `optimizer.step()`, after accumulation, unscaling and clipping, for any model and wrapper. It
    costs one pass over the gradients and one host synchronization per step, not per iteration. Overflows to which
    AmpOptimWrapper responds with a smaller loss scale are accepted, up to `max_overflows` in a row.

    Args:
        on_non_finite: 'stop'; or 'skip', which omits the step and restores the statistics of the norms.
        max_skipped: The number of steps in a run that 'skip' may omit.
        max_overflows: The number of steps in a row that the loss scaling may omit.

    Raises:
        FloatingPointError: A loss or gradient is not finite, or a checkpoint with such weights is about to be written;
            the message has the iterations, losses and samples of every rank.
        UserError: An argument is invalid.
    """

    priority = 'VERY_HIGH'

    def __init__(
        self, on_non_finite: Literal['stop', 'skip'] = 'stop', max_skipped: int = 10, max_overflows: int = 50
    ) -> None:
        if on_non_finite not in ('stop', 'skip'):
            raise UserError(f"on_non_finite must be 'stop' or 'skip', got {on_non_finite!r}")
        self._skip = on_non_finite == 'skip'
        self._max_skipped = max_skipped
        self._max_overflows = max_overflows
        self._passes: list[_Pass] = []
        self._buffers: dict[str, Tensor] = {}
        self._overflows = 0

    def before_train(self, runner: Any) -> None:
        """Observe the model's losses and the optimizers' steps."""
        self._runner = runner
        self._model = bare_model(runner.model)
        self._model.register_forward_hook(self._keep_losses, with_kwargs=True)
        for wrapper in _wrappers(runner):
            if not isinstance(wrapper.optimizer, torch.optim.Optimizer):
                kind = type(wrapper.optimizer).__name__
                raise UserError(f'{kind} is not a torch.optim.Optimizer; set default_hooks.finite to None')
            wrapper.optimizer.register_step_pre_hook(self._before_step)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Record the iteration and its samples."""
        if self._skip and not self._passes:
            self._buffers = {name: value.clone() for name, value in self._model.named_buffers()}
        self._passes.append(_Pass(runner.iter + 1, _sample_names(data_batch)))

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Check a step that the loss scaling omitted."""
        if not self._passes or not all(wrapper.should_update() for wrapper in _wrappers(runner)):
            return
        if self._found(self._losses()):
            self._fail(())
        self._overflows += 1
        if self._overflows > self._max_overflows:
            raise FloatingPointError(
                f'iteration {runner.iter + 1}: the gradients overflowed in {self._overflows} steps in a row, although '
                'the loss scale was reduced each time: the model does not train. Lower the learning rate or train '
                "without mixed precision (optim_wrapper.type='OptimWrapper')."
            )
        self._passes.clear()

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse to write weights that are not finite, for example after a step that was too large."""
        parameters = {name for name, _ in bare_model(runner.model).named_parameters()}
        for name, value in checkpoint['state_dict'].items():
            # A buffer may hold an infinite mask; NaN is never valid.
            unfit = ~value.isfinite() if name in parameters else value.isnan()
            if unfit.any():
                raise FloatingPointError(
                    f'iteration {runner.iter}: {int(unfit.sum())} of {value.numel()} values of {name} are not finite; '
                    'the checkpoint is not written. Resume from the last one with a lower learning rate.'
                )

    def _keep_losses(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if kwargs.get('mode') == 'loss' and isinstance(output, Mapping) and self._passes:
            for name, value in output.items():
                values = value if isinstance(value, (list, tuple)) else [value]
                self._passes[-1].losses[name] = [v.detach() for v in values if isinstance(v, Tensor)]

    def _before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Check the losses and gradients at the beginning of `optimizer.step()`."""
        # A fused optimizer under loss scaling receives the scaled gradients and skips overflows itself.
        grads = [] if getattr(optimizer, 'found_inf', None) is not None else list(_grads(optimizer))
        norms = torch._foreach_norm(grads, torch.inf) if grads else ()
        if self._found([*self._losses(), *norms]):
            self._fail([optimizer])
        self._overflows = 0
        self._passes.clear()

    def _losses(self) -> list[Tensor]:
        # mmengine sums the entries with 'loss' in their name; others may be NaN, such as an accuracy without objects.
        return [
            value for one in self._passes for name, values in one.losses.items() if 'loss' in name for value in values
        ]

    def _found(self, values: list[Tensor]) -> bool:
        """Return, on every rank, whether any rank has a value that is not finite."""
        flags = [value.isfinite().all() for value in values]
        bad = ~torch.stack(flags).all() if flags else torch.zeros((), dtype=torch.bool)
        found = bad.to(torch.uint8)
        all_reduce(found, 'max')
        return bool(found.item())

    def _fail(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        report = '\n'.join(all_gather_object(self._describe()))
        iteration = self._passes[-1].iteration
        self._passes.clear()
        hub = self._runner.message_hub
        skipped = (hub.get_info('skipped_steps') if 'skipped_steps' in hub.runtime_info else 0) + 1
        if not self._skip or skipped > self._max_skipped:
            limit = f' ({skipped - 1} steps were left out before)' if self._skip else ''
            raise FloatingPointError(
                f'iteration {iteration}: a loss or gradient is not finite, no weight was changed{limit}.\n{report}\n'
                'Check these samples, lower the learning rate, clip the gradients (optim_wrapper.clip_grad), or '
                "train without mixed precision. StopOnNonFiniteHook's on_non_finite='skip' omits such steps."
            )
        hub.update_info('skipped_steps', skipped)
        self._runner.logger.warning(
            f'iteration {iteration}: a loss or gradient is not finite, the step is left out '
            f'({skipped} of at most {self._max_skipped}).\n{report}'
        )
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)  # without gradients, a step changes no weight and no momentum
        for name, value in self._model.named_buffers():
            value.copy_(self._buffers[name])

    def _describe(self) -> str:
        lines = []
        for one in self._passes:
            parts = {name: sum(float(v.float().mean()) for v in values) for name, values in one.losses.items()}
            shown = ', '.join(f'{name}={value:.6g}' for name, value in parts.items()) or 'not seen'
            lines.append(
                f'rank {get_rank()}, iteration {one.iteration}: {shown}; samples: {", ".join(one.samples) or "unnamed"}'
            )
        unfit = [n for n, p in self._model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        if unfit:
            lines.append(f'rank {get_rank()}: {len(unfit)} gradients are not finite, the first of {unfit[0]}')
        return '\n'.join(lines)


def _wrappers(runner: Any) -> list[Any]:
    wrapper = runner.optim_wrapper
    return list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]


def _grads(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        for parameter in group['params']:
            if parameter.grad is not None:
                yield parameter.grad


def _sample_names(batch: Any) -> list[str]:
    """Return the paths in a batch of any library, at any depth."""
    if isinstance(batch, BaseDataElement):
        path = batch.get('img_path')
        return [str(path)] if path is not None else []
    if isinstance(batch, Mapping):
        batch = batch.values()
    elif not isinstance(batch, (list, tuple)):
        return []
    return [name for part in batch for name in _sample_names(part)]


@HOOKS.register_module()
class CheckLoadedHook(Hook):
    """Guard that stops a training if `load_from` does not fill the backbone, a test if it does not fill the network.

    mmengine loads the keys that fit, logs the others and continues, so that a checkpoint of another layout or width
    leaves random weights. In a training heads may differ, because fine-tuning replaces them.

    Args:
        random_heads: Whether heads may differ in a test as well.

    Raises:
        UserError: A key is missing or has another shape; the message has the counts.
    """

    priority = 'VERY_HIGH'

    def __init__(self, random_heads: bool = False) -> None:
        self.random_heads = random_heads
        guard_loading()  # of all that is loaded; the hook sees the names before the library changes those of old files

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Compare names and shapes before mmengine copies anything."""
        given = {
            name.removeprefix('module.'): value for name, value in checkpoint.get('state_dict', checkpoint).items()
        }
        own = {
            name: value for name, value in bare_model(runner.model).state_dict().items() if name.startswith('backbone.')
        }
        fit = [name for name, value in own.items() if getattr(given.get(name), 'shape', None) == value.shape]
        # Old files have no counters of batches, which no result depends on.
        unfit = [name for name in own if name not in fit and not name.endswith('.num_batches_tracked')]
        if unfit:
            first = unfit[0]
            reason = 'is missing' if first not in given else f'has shape {tuple(given[first].shape)}'
            raise UserError(
                f'the checkpoint fills {len(fit)} of {len(own)} backbone keys: {first} {reason} '
                f'(needed: {tuple(own[first].shape)}). If it has another layout, convert it first: '
                'hrnet-mm convert MODEL --out FILE --to LIBRARY'
            )
