"""Reading of training samples: reproducible random numbers for each, and a policy for damaged ones."""

import logging
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import all_reduce, get_dist_info
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, DataLoader

from ..errors import UserError
from ..registry import HOOKS
from ._mmengine import built_train_loop
from .seeding import BatchStream, SampleBatches, SampleIndex, sample_rng

__all__ = ['BadSampleError', 'SampleHook', 'naming_an_empty_data_set']

# Arguments of a DataLoader that are also its attributes.
_LOADER_ARGUMENTS = (
    'num_workers',
    'collate_fn',
    'pin_memory',
    'timeout',
    'worker_init_fn',
    'multiprocessing_context',
    'prefetch_factor',
    'persistent_workers',
)


@HOOKS.register_module()
class SampleHook(Hook):
    """Reading of training samples with random numbers that follow from the seed, the epoch and the position in it.

    Order and augmentation depend neither on `num_workers` nor on interruptions: a resumed run continues with the batch
    after the last one trained on, and reads nothing twice. A sample that cannot be read stops the run with its path, or
    is replaced in the batch by another one, drawn at random.

    Args:
        on_bad_sample: 'fail' or 'skip'.
        max_bad_samples: The number of different samples that 'skip' may replace, over all workers of a process.

    Raises:
        BadSampleError: A sample cannot be read, or there are too many of them.
        UserError: The data set is empty or smaller than a batch, or an argument is invalid.
    """

    priority = 'VERY_HIGH'

    def __init__(self, on_bad_sample: Literal['fail', 'skip'] = 'fail', max_bad_samples: int = 100) -> None:
        if on_bad_sample not in ('fail', 'skip'):
            raise UserError(f"on_bad_sample must be 'fail' or 'skip', got {on_bad_sample!r}")
        self._allowed = max_bad_samples if on_bad_sample == 'skip' else 0

    def before_run(self, runner: Any) -> None:
        """Replace the data loader before anything is read from it."""
        loop = built_train_loop(runner)
        if loop is None:
            return
        _require_batches(loop.dataloader)
        self._reader = loop.dataloader.dataset.__getitems__ = _Reader(loop.dataloader.dataset, self._allowed)
        loop.dataloader = _reproducible(loop.dataloader, runner)

    def before_train(self, runner: Any) -> None:
        """Continue IterBasedTrainLoop after the checkpoint's last batch; ResumeHook does the same for epochs."""
        loop = runner.train_loop
        if hasattr(loop, 'dataloader_iterator'):
            loop.dataloader.batch_sampler.seek(loop.iter)
            loop.dataloader_iterator = BatchStream(loop.dataloader, passed=loop.iter)

    def before_train_epoch(self, runner: Any) -> None:
        """Set the epoch of the random numbers; mmengine's DistSamplerSeedHook sets the order."""
        runner.train_loop.dataloader.batch_sampler.set_epoch(runner.epoch)

    def after_train_epoch(self, runner: Any) -> None:
        """Log the number of samples that could not be read, over all ranks."""
        bad = self._reader.bad.clone()
        all_reduce(bad, 'max')
        if count := int(bad.sum()):
            runner.logger.warning(f'{count} of {len(bad)} training samples could not be read and were skipped so far')


class BadSampleError(ValueError):
    """A training sample that cannot be read."""


class _Reader:
    """Reader of batches, used as the data set's `__getitems__`, so that every hook still sees the same data set."""

    def __init__(self, dataset: Any, allowed: int) -> None:
        self._dataset = dataset
        self._allowed = allowed
        # The memory is shared among workers; marking a sample twice changes nothing.
        self.bad = torch.zeros(len(dataset), dtype=torch.uint8)
        self.bad.share_memory_()  # type: ignore[no-untyped-call]

    def __call__(self, indices: Sequence[SampleIndex]) -> list[Any]:
        return [self._sample(index) for index in indices]

    def _sample(self, index: SampleIndex) -> Any:
        number, attempt = int(index), 0
        while True:
            # Seeded for each attempt, so that the result does not depend on which worker read a bad sample first.
            with sample_rng(*index.entropy, attempt):
                if attempt:
                    number = np.random.randint(len(self._dataset))
                if not self.bad[number]:
                    try:
                        sample = self._dataset[number]
                        _check_size(sample, self._dataset, number)
                        return sample
                    except Exception as error:
                        self._refuse(number, error)
            attempt += 1

    def _refuse(self, number: int, error: Exception) -> None:
        self.bad[number] = 1
        bad = int(self.bad.sum())
        sentence = f'training sample {number} ({_files(error, self._dataset, number)}) cannot be read: {error!r}'
        if not self._allowed:
            raise BadSampleError(f"{sentence}. Repair it, or let SampleHook skip it: on_bad_sample='skip'") from error
        if bad > self._allowed or bad == len(self.bad):
            raise BadSampleError(
                f'{sentence}, which makes {bad} bad ones of {len(self.bad)}; max_bad_samples={self._allowed}'
            ) from error
        print_log(f'{sentence}; skipped ({bad} of at most {self._allowed})', 'current', logging.WARNING)


def _files(error: Exception, dataset: Any, number: int) -> str:
    """Return the innermost record on the stack, because mixing and retrying read other samples."""
    record: dict[str, Any] = {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, dict) and 'img_path' in value:
                record = value
    if not record and hasattr(dataset, 'get_data_info'):
        record = dataset.get_data_info(number)
    named = {key: record[key] for key in ('img_path', 'seg_map_path', 'img_id') if record.get(key) is not None}
    return ', '.join(f'{key}={value}' for key, value in named.items()) or 'no path known'


def _check_size(sample: Any, dataset: Any, number: int) -> None:
    """Check an image against the size in its annotation; a difference means an EXIF rotation, or another image."""
    info = dataset.get_data_info(number) if hasattr(dataset, 'get_data_info') else {}
    read: Any = sample.get('data_samples') if isinstance(sample, dict) else None
    if 'height' not in info or getattr(read, 'img_path', None) != info['img_path'] or 'ori_shape' not in read:
        return
    stated, found = (info['height'], info['width']), tuple(read.ori_shape[:2])
    if stated != found:
        raise ValueError(
            f'the annotation is for {stated[1]} x {stated[0]} pixels, the image has {found[1]} x {found[0]}'
            + (', as if only one of them followed its EXIF orientation' if stated == found[::-1] else '')
        )


@contextmanager
def naming_an_empty_data_set() -> Iterator[None]:
    """Name, within a `with` block, the empty data set of a data loader; mmengine fails while packing the samples."""
    try:
        yield
    except ValueError as error:
        owners = [frame.f_locals.get('self') for frame, _ in traceback.walk_tb(error.__traceback__)]
        datasets = [owner for owner in owners if isinstance(owner, BaseDataset)]
        if 'need at least one array' not in str(error) or not datasets:
            raise
        raise UserError(_nothing_in(datasets[-1])) from error


def _nothing_in(dataset: Any) -> str:
    named = {name: getattr(dataset, name, None) for name in ('data_root', 'ann_file', 'data_prefix', 'filter_cfg')}
    known = ', '.join(f'{name}={value}' for name, value in named.items() if value)
    return f'the data set has no samples: all are missing or filtered out ({type(dataset).__name__}, {known})'


def _require_batches(loader: Any) -> None:
    if not len(loader):
        raise UserError(
            f'the training data set has {len(loader.dataset)} samples, not enough for one batch; reduce the batch size'
        )


def _reproducible(loader: Any, runner: Any) -> DataLoader[Any]:
    rank, world_size = get_dist_info()
    batches = SampleBatches(_unread_batches(loader, runner), seed=runner.seed, rank=rank, world_size=world_size)
    return DataLoader(
        loader.dataset,
        batch_sampler=batches,
        # Starting an iteration draws a number, which must not come from the model's generator.
        generator=torch.Generator().manual_seed(runner.seed),
        **{name: getattr(loader, name) for name in _LOADER_ARGUMENTS},
    )


def _unread_batches(loader: Any, runner: Any) -> Any:
    """Return the batch sampler, built again for IterBasedTrainLoop, whose workers have taken the first batches."""
    settings = runner.cfg.get('train_dataloader')
    if not hasattr(runner.train_loop, 'dataloader_iterator') or not isinstance(settings, dict):
        return loader.batch_sampler
    seed = getattr(loader.batch_sampler.sampler, 'seed', runner.seed)
    sampler = DATA_SAMPLERS.build(settings['sampler'], default_args={'dataset': loader.dataset, 'seed': seed})
    if settings.get('batch_sampler') is None:
        return BatchSampler(sampler, settings['batch_size'], loader.drop_last)
    return DATA_SAMPLERS.build(
        settings['batch_sampler'], default_args={'sampler': sampler, 'batch_size': settings['batch_size']}
    )
