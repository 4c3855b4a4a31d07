"""Random numbers that belong to a sample, not to the worker that reads it.

mmengine seeds each worker process by its number, so the augmentation of an image depends on `num_workers` and on where
a run was interrupted. Here the batch sampler sends each index out with a seed of its own.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ['BatchStream', 'SampleBatches', 'SampleIndex', 'sample_rng', 'seed_python_and_numpy']


class SampleIndex(int):
    """An index of a data set; `entropy` tells this reading of the sample from every other of the training."""

    entropy: tuple[int, ...]


def seed_python_and_numpy(*entropy: int) -> int:
    """Let Python's and numpy's random numbers follow from these (non-negative) numbers; gives a seed for torch's."""
    python, numpy, for_torch = np.random.SeedSequence(entropy).generate_state(3, np.uint64).tolist()
    random.seed(python)
    np.random.seed((numpy >> 32, numpy & 0xFFFFFFFF))
    return int(for_torch)


@contextmanager
def sample_rng(*entropy: int) -> Iterator[None]:
    """Lets Python's, numpy's and torch's CPU random numbers follow from these (non-negative) numbers alone.

    Afterwards all three continue where they were, so the model's own draws do not depend on who reads the samples.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cpu = seed_python_and_numpy(*entropy)
    torch.default_generator.manual_seed(cpu)  # torch.manual_seed would also reach for the GPU, which workers must not
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class SampleBatches:
    """The batches of a batch sampler, of `SampleIndex` instead of int, from any batch of an epoch on.

    The entropy of an index is (seed, epoch, place), where places count through the epoch over all ranks: a sample that
    is drawn twice in an epoch differs, and its augmentation does not depend on the number of ranks as long as the
    samplers are mmengine's.
    """

    def __init__(self, batches: Any, *, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.batches = batches
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self._passed = 0

    @property
    def sampler(self) -> Any:
        """The sampler below, where mmengine's DistSamplerSeedHook expects it."""
        return self.batches.sampler

    def set_epoch(self, epoch: int) -> None:
        """Names the epoch that starts next, here and for the sampler below."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def seek(self, batch: int) -> None:
        """Lets the next iteration begin at this batch of the epoch, counted from 0; nothing before it is read.

        A number beyond the end of the epoch leaves the epoch empty, and what is over to the next one.
        """
        self._passed = batch

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        place, number = self.rank, 0
        for batch in self.batches:
            named = []
            for index in batch:
                named.append(SampleIndex(index))
                named[-1].entropy = (self.seed, self.epoch, place)
                place += self.world_size
            number += 1
            if number > self._passed:
                yield named
        self._passed = max(self._passed - number, 0)


class BatchStream:
    """Endless batches for IterBasedTrainLoop, in place of its own iterator.

    On resume the loop asks for all batches that were trained before, to drop them: it gets None for these `passed`, and
    they are not read. Reading begins with the first batch that is asked for after them.
    """

    def __init__(self, loader: Any, passed: int) -> None:
        self._loader = loader
        self._passed = passed
        self._iterator: Iterator[Any] | None = None

    def skip_iter(self, count: int) -> None:
        """Pass `count` batches, as OneDL's mmengine asks for at once."""
        self._passed -= count

    def __next__(self) -> Any:
        if self._passed:
            self._passed -= 1
            return None
        batches = self._loader.batch_sampler
        while True:
            if self._iterator is None:
                self._iterator = iter(self._loader)
            for batch in self._iterator:
                return batch
            batches.set_epoch(batches.epoch + 1)
            self._iterator = None
