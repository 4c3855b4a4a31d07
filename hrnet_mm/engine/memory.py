"""Out-of-memory guard: an error with the size of the batch and the settings that reduce it."""

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.hooks import Hook

from ..registry import HOOKS
from ._mmengine import wrap_iterations

__all__ = ['MemoryGuardHook']

_TORCH_SAYS = ('out of memory', "can't allocate memory", 'not enough memory', 'ALLOC_FAILED')


@HOOKS.register_module()
class MemoryGuardHook(Hook):
    """Guard that explains an out-of-memory error, with the settings that need less memory.

    Raises:
        MemoryError: From torch's error, with the iteration, the shapes of the batch and the peak.
    """

    def __init__(self) -> None:
        self._watched: list[Any] = []

    def before_train(self, runner: Any) -> None:
        """Wrap the iterations of the training."""
        self._watch(runner, runner.train_loop, training=True)

    def before_val(self, runner: Any) -> None:
        """Wrap the iterations of a validation."""
        self._watch(runner, runner.val_loop)

    def before_test(self, runner: Any) -> None:
        """Wrap the iterations of a test."""
        self._watch(runner, runner.test_loop)

    def _watch(self, runner: Any, loop: Any, training: bool = False) -> None:
        if loop not in self._watched:
            self._watched.append(loop)
            wrap_iterations(loop, functools.partial(_run_iter, runner, training))


def _run_iter(runner: Any, training: bool, run_iter: Callable[..., None], *args: Any) -> None:
    try:
        run_iter(*args)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise MemoryError(_advice(runner, args[-1], training)) from error


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in _TORCH_SAYS)


def _advice(runner: Any, batch: Any, training: bool) -> str:
    shapes = [tuple(image.shape) for image in batch['inputs']] if isinstance(batch, Mapping) else []
    sizes = ', '.join(dict.fromkeys(' x '.join(map(str, shape)) for shape in shapes)) or 'unknown size'
    count = len(shapes) or 1
    options = []
    if count > 1:
        half = f'batch_size={count // 2}'
        wrapper = runner.cfg.get('optim_wrapper') or {}
        accumulated = 2 * wrapper.get('accumulative_counts', 1)
        options.append(
            f'train_dataloader.{half} optim_wrapper.accumulative_counts={accumulated}: the same step from smaller '
            'batches (batch norm uses the smaller ones)'
            if training
            else f'val_dataloader.{half}, test_dataloader.{half}'
        )
    if training:
        if not any(getattr(module, 'with_cp', False) for module in runner.model.modules()):
            options.append('model.backbone.with_cp=True: activations are recomputed instead of stored')
        if torch.cuda.is_available() and not hasattr(runner.optim_wrapper, 'loss_scaler'):
            options.append('optim_wrapper.type=AmpOptimWrapper (--amp): activations in half precision')
    options.append('smaller images: the scale or crop size in the pipeline; memory grows with their area')
    listed = '\n'.join(f'  {option}' for option in options)
    place = f'iteration {runner.iter + 1}: out of memory with {count} images of {sizes}, {_peak()}'
    return f'{place}. These settings need less:\n{listed}'


def _peak() -> str:
    if torch.cuda.is_available():
        peak, total = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()[1]
        return f'at a peak of {peak / 2**30:.2f} GiB of {total / 2**30:.2f} GiB'
    if sys.platform == 'linux':  # elsewhere the unit differs, or the module is missing
        import resource

        return f'at a peak of {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB'
    return 'at an unknown peak'
