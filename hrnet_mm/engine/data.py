"""How training samples are read: each with its own random numbers, and a damaged one as the user says."""

from collections.abc import Callable, Sequence
from typing import Any

from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS
from torch import Generator
from torch.utils.data import BatchSampler, DataLoader

from ..registry import HOOKS
from .seeding import BatchStream, SampleBatches, SampleIndex, sample_rng

__all__ = ['SampleHook']

# What a DataLoader was made with and keeps under the same name.
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
    """Reads training samples with random numbers that follow from the seed, the epoch and the sample's place in it.

    Order and augmentation then depend neither on `num_workers` nor on interruptions: a run that resumes continues with
    the batch after the last that was trained, in the middle of an epoch too, and reads nothing twice.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Any) -> None:
        """Exchange the data loader while nothing has been read from it."""
        loop = runner.train_loop
        loop.dataloader.dataset.__getitems__ = _Reader(loop.dataloader.dataset.__getitem__)
        loop.dataloader = _reproducible(loop.dataloader, runner)
        if hasattr(loop, 'dataloader_iterator'):
            loop.dataloader_iterator = BatchStream(loop.dataloader, passed=0)

    def before_train(self, runner: Any) -> None:
        """Go to where the checkpoint was written; before the first iteration that is the beginning."""
        loop = runner.train_loop
        loop.dataloader.batch_sampler.seek(loop.iter - loop.epoch * len(loop.dataloader))
        if hasattr(loop, 'dataloader_iterator'):
            loop.dataloader_iterator = BatchStream(loop.dataloader, passed=loop.iter)

    def before_train_epoch(self, runner: Any) -> None:
        """Give the epoch its own random numbers; the order is set by mmengine's DistSamplerSeedHook."""
        runner.train_loop.dataloader.batch_sampler.set_epoch(runner.epoch)


class _Reader:
    """Reads a batch: DataLoader prefers a data set's `__getitems__`, and every hook still finds the same data set."""

    def __init__(self, read: Callable[[int], Any]) -> None:
        self._read = read

    def __call__(self, indices: Sequence[SampleIndex]) -> list[Any]:
        samples = []
        for index in indices:
            with sample_rng(*index.entropy):
                samples.append(self._read(int(index)))
        return samples


def _reproducible(loader: DataLoader[Any], runner: Any) -> DataLoader[Any]:
    rank, world_size = get_dist_info()
    batches = SampleBatches(_unread_batches(loader, runner), seed=runner.seed, rank=rank, world_size=world_size)
    return DataLoader(
        loader.dataset,
        batch_sampler=batches,
        # Starting an iteration draws a number: from here, not from the generator that the model draws from.
        generator=Generator().manual_seed(runner.seed),
        **{name: getattr(loader, name) for name in _LOADER_ARGUMENTS},
    )


def _unread_batches(loader: DataLoader[Any], runner: Any) -> Any:
    """The batch sampler, built anew for IterBasedTrainLoop, whose workers have already taken the first batches."""
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
