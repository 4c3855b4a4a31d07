"""Random numbers that belong to a sample, independent of the worker that reads it.

mmengine seeds each worker by its number, so that the augmentation of an image depends on `num_workers` and on
interruptions. Here the batch sampler attaches a seed to each index.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ['BatchStream', 'SampleBatches', 'SampleIndex', 'sample_rng', 'seed_python_and_numpy']


class SampleIndex(int):
    """An index of a data set; `entropy` identifies one reading of the sample among all of the training."""

    entropy: tuple[int, ...]


def seed_python_and_numpy(*entropy: int) -> int:
    """Seed Python's and numpy's random numbers by non-negative numbers, and return a seed for torch's."""
    python, numpy, for_torch = np.random.SeedSequence(entropy).generate_state(3, np.uint64).tolist()
    random.seed(python)
    np.random.seed((numpy >> 32, numpy & 0xFFFFFFFF))
    return int(for_torch)


@contextmanager
def sample_rng(*entropy: int) -> Iterator[None]:
    """Seed, within a `with` block, the CPU random numbers of Python, numpy and torch by non-negative numbers.

    Afterward, all three continue where they were, so that the model's draws do not depend on the process that reads
    samples.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cpu = seed_python_and_numpy(*entropy)
    torch.default_generator.manual_seed(cpu)  # torch.manual_seed would also use the GPU, which workers must not do
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class SampleBatches:
    """Batch sampler whose indices are of type `SampleIndex`, with a start at any batch of an epoch.

    The entropy of an index is (seed, epoch, place), where places count through the epoch over all ranks. A sample drawn
    twice in an epoch differs, and with mmengine's samplers its augmentation does not depend on the number of ranks.

    Args:
        batches: The batch sampler.
        seed: The seed of the training.
        rank: The rank of this process.
        world_size: The number of processes.
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
        """The inner sampler, where mmengine's DistSamplerSeedHook expects it."""
        return self.batches.sampler

    def set_epoch(self, epoch: int) -> None:
        """Set the next epoch, also of the inner sampler."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def seek(self, batch: int) -> None:
        """Start the next iteration at a later batch of the epoch, without reading earlier ones.

        A number beyond the end of the epoch makes the epoch empty and carries the remainder into the next epoch.

        Args:
            batch: The batch, counted from 0.
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
    """Endless batches for IterBasedTrainLoop, instead of its own iterator.

    On resume, the loop requests all batches that were trained on before and drops them. It gets None for these, without
    reading; reading starts with the first batch requested after them.

    Args:
        loader: The data loader.
        passed: The number of batches that were trained on before.
    """

    def __init__(self, loader: Any, passed: int) -> None:
        self._loader = loader
        self._passed = passed
        self._iterator: Iterator[Any] | None = None

    def skip_iter(self, count: int) -> None:
        """Skip `count` batches, which OneDL's mmengine requests at once."""
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
