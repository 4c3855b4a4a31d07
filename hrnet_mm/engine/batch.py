"""The batch that a config's learning rate belongs to, and the batch in use."""

import os
from dataclasses import dataclass
from typing import Any

from ..errors import UserError

__all__ = ['BatchError', 'BatchUse']

_PROCESSES = {'pytorch': 'WORLD_SIZE', 'slurm': 'SLURM_NTASKS', 'mpi': 'OMPI_COMM_WORLD_SIZE'}


class BatchError(UserError):
    """A learning rate that belongs to a batch of another size than the one in use."""


@dataclass(frozen=True)
class BatchUse:
    """The learning rate of a config, the batch that it belongs to, and the batch in use.

    Args:
        lr: The learning rate, or None if the config has several optimizers.
        peak: Whether a schedule sets the learning rate, to a peak of `lr`.
        base: The images of the batch that the learning rate belongs to, or None if the config does not say it.
        size: The images of a batch of one process, or None if a batch sampler decides it.
        processes: The number of processes.
        accumulated: The number of batches of an optimizer step.
        scaled: Whether the learning rate is scaled to the batch in use.
    """

    lr: float | None
    peak: bool
    base: float | None
    size: int | None
    processes: int
    accumulated: int
    scaled: bool

    @classmethod
    def of(cls, config: Any) -> 'BatchUse':
        """Read a config that has its launcher."""
        wrapper, scaling = config.get('optim_wrapper') or {}, config.get('auto_scale_lr') or {}
        accumulated, scaled = wrapper.get('accumulative_counts', 1), bool(scaling.get('enable'))
        base = scaling.get('base_batch_size')
        schedulers = config.get('param_scheduler') or []
        schedulers = schedulers if isinstance(schedulers, list) else [schedulers]
        peaks = [one['eta_max'] for one in schedulers if 'eta_max' in one]
        if scaled and base is not None:
            base *= accumulated  # mmengine compares it with the images of one of the accumulated batches
        return cls(
            lr=max(peaks, default=(wrapper.get('optimizer') or {}).get('lr')),
            peak=bool(peaks),
            base=base,
            size=(config.get('train_dataloader') or {}).get('batch_size'),
            processes=int(os.environ.get(_PROCESSES.get(config.get('launcher'), ''), '1')),
            accumulated=accumulated,
            scaled=scaled,
        )

    @property
    def step(self) -> int | None:
        """The images of an optimizer step: over all processes and accumulated batches."""
        return None if self.size is None else self.size * self.processes * self.accumulated

    def check(self) -> None:
        """Refuse a learning rate that belongs to less than half or more than twice the images in use.

        Raises:
            BatchError: The message says how to scale the learning rate, and how to keep it.
        """
        if self.scaled or self.base is None or self.step is None or 0.5 <= self.step / self.base <= 2:
            return
        lr, scaled = ('LR', '') if self.lr is None else (f'{self.lr:g}', f' ({self.lr * self.step / self.base:.3g})')
        raise BatchError(
            f'the learning rate {lr} belongs to a batch of {self.base:g} images, and the batch in use has '
            f'{self._in_use}; add --auto-scale-lr{scaled} to scale it, or --lr {lr} to keep it'
        )

    def __str__(self) -> str:
        belongs = 'not named by the config' if self.base is None else f'{self.base:g} images'
        lr = 'of several optimizers' if self.lr is None else f'{self.lr:g}'
        if self.scaled and self.lr is not None and self.base is not None and self.step is not None:
            lr = f'{lr} x {self.step} / {self.base:g} = {self.lr * self.step / self.base:.3g}'
        return f'learning rate: {lr}; its batch: {belongs}; batch in use: {self._in_use}'

    @property
    def _in_use(self) -> str:
        if self.step is None:
            return 'what its sampler makes'
        factors = {' processes': self.processes, ' accumulated': self.accumulated}
        parts = [str(self.size), *(f'{count}{name}' for name, count in factors.items() if count > 1)]
        return (
            ' x '.join(parts)
            + (f' = {self.step}' if len(parts) > 1 else '')
            + (' image' if self.step == 1 else ' images')
        )
