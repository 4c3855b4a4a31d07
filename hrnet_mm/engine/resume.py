"""Bit-exact resume: a run that was killed and resumed ends with the same weights as an uninterrupted one.

Random numbers do not depend on earlier draws. Those of an iteration follow from the seed, the process and the
iteration, those of a sample from its place in the training (engine/seeding.py). No generator states are stored,
validation does not affect training, and batches before the resume point are not read again.
"""

from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from mmengine.runner import IterBasedTrainLoop

from ..registry import HOOKS
from ._mmengine import choose_val_interval, count_epoch, is_resuming, redraw
from .seeding import SampleBatches, seed_python_and_numpy

__all__ = ['EpochBasedTrainLoop', 'ResumeHook', 'resumable_loop']

_KEY = 'resume'
_ITERATION, _VALIDATION = range(2)
_COUNTERS = ('epoch', 'iter')


@HOOKS.register_module()
class ResumeHook(Hook):
    """Hook that stores the position in the data in each checkpoint, and continues there.

    It keeps three things that mmengine loses: the position within an epoch, the sampler's seed if the config has none,
    and a validation due after the checkpoint. That validation runs, or runs again if the process died before the next
    checkpoint, because the checkpoint has neither its metrics nor its effects.
    """

    priority = 'VERY_LOW'  # the checkpoint hook must be ready before the overdue validation

    def __init__(self) -> None:
        self._state: dict[str, Any] | None = None
        self._counters: dict[str, int] = {}
        self._batch = 0  # the next batch of the epoch

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add the position to the checkpoint."""
        meta, loop = checkpoint['meta'], runner.train_loop
        validated = runner.message_hub.get_info('loop_stage') == 'val'
        is_whole = validated or meta['epoch'] > runner.epoch
        checkpoint[_KEY] = {
            'batch': 0 if is_whole else self._batch,
            'batches': len(loop.dataloader),
            'sampler_seed': getattr(_sampler(loop), 'seed', None),
            'validated': validated,
        }

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Take the position out of the checkpoint."""
        state = checkpoint.pop(_KEY, None)
        if is_resuming(runner) and state is not None:
            self._state = state
            info = checkpoint['message_hub']['runtime_info']
            self._counters = {name: info[name] for name in _COUNTERS if name in info}

    def before_train(self, runner: Any) -> None:
        """Go to the position in the data, and validate if that is due."""
        if self._state is None:  # a new run, or a checkpoint written by mmengine
            return
        loop, batches = runner.train_loop, runner.train_loop.dataloader.batch_sampler
        _set_seed(_sampler(loop), self._state['sampler_seed'])
        if isinstance(batches, SampleBatches):
            batches.seed = runner.seed
        if isinstance(loop, _EpochBasedTrainLoop):
            # With another batch size or number of processes, the nearest position.
            first_batch = self._state['batch'] * len(loop.dataloader) // self._state['batches']
            if isinstance(loop, EpochBasedTrainLoop):
                self._batch = loop.first_batch = first_batch
                if isinstance(batches, SampleBatches):
                    batches.seek(first_batch)
            elif first_batch:
                runner.logger.warning(
                    f'{type(loop).__name__} overrides run_epoch and cannot start within an epoch: '
                    f'the first {first_batch} batches of epoch {loop.epoch + 1} are trained on again'
                )
        if self._is_validation_due(runner):
            for name, value in self._counters.items():  # mmengine has already advanced them
                runner.message_hub.update_info(name, value)
            runner.val_loop.run()

    def before_train_epoch(self, runner: Any) -> None:
        """Record the first batch of the epoch."""
        self._batch = getattr(runner.train_loop, 'first_batch', 0)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Record the position in the epoch, and seed the model's random numbers by the iteration."""
        self._batch = batch_idx + 1  # not a difference of iterations, because a loop may repeat a batch
        _seed_process(runner.seed, get_rank(), runner.iter, _ITERATION)

    def before_val_epoch(self, runner: Any) -> None:
        """Seed the random numbers of a validation by the iteration before it."""
        _seed_process(runner.seed, get_rank(), runner.iter, _VALIDATION)

    def _is_validation_due(self, runner: Any) -> bool:
        loop = runner.train_loop
        if isinstance(loop, _EpochBasedTrainLoop):
            done, end = loop.epoch, loop.max_epochs
        elif isinstance(loop, IterBasedTrainLoop):
            done, end = loop.iter, loop.max_iters
        else:
            return False
        assert self._state is not None
        if runner.val_loop is None or self._state['validated'] or self._batch or not done:
            return False
        choose_val_interval(loop)
        return bool(done >= loop.val_begin and (done % loop.val_interval == 0 or done == end))


class EpochBasedTrainLoop(_EpochBasedTrainLoop):
    """mmengine's loop with a start within an epoch, whose batches keep their numbers in logs."""

    first_batch = 0

    def run_epoch(self) -> None:
        """Train from `first_batch` to the end of the epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first, self.first_batch = self.first_batch, 0
        for index, batch in enumerate(self.dataloader, first):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        count_epoch(self)


def resumable_loop(kind: Any) -> Any:
    """Return a loop class whose epochs can start at any batch.

    Args:
        kind: The class of the loop.

    Returns:
        A class that behaves like `kind` otherwise; None if `kind` overrides `run_epoch`.
    """
    if kind is _EpochBasedTrainLoop:
        return EpochBasedTrainLoop
    is_epoch_based = isinstance(kind, type) and issubclass(kind, _EpochBasedTrainLoop)
    if not is_epoch_based or getattr(kind, 'run_epoch', None) is not _EpochBasedTrainLoop.run_epoch:
        return None
    return type(kind.__name__, (EpochBasedTrainLoop, kind), {'__module__': kind.__module__})


def _sampler(loop: Any) -> Any:
    return getattr(loop.dataloader.batch_sampler, 'sampler', None)


def _set_seed(sampler: Any, seed: int | None) -> None:
    if seed is None or sampler.seed == seed:
        return
    sampler.seed = seed
    redraw(sampler)


def _seed_process(*entropy: int) -> None:
    torch.manual_seed(seed_python_and_numpy(*entropy))  # of the GPUs, too
