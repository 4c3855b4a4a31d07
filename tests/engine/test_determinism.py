"""The same seed results in the same bits, for any number of workers, in both loops, and in another process."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch.utils.data import BatchSampler

from hrnet_mm.engine.seeding import SampleBatches, sample_rng

pytestmark = pytest.mark.usefixtures('quick')

LOOPS = {
    'epochs': {'type': 'EpochBasedTrainLoop', 'max_epochs': 2},
    'iterations': {'type': 'IterBasedTrainLoop', 'max_iters': 5},
}


def augmented_config(library, tiny_config, work_dir, num_workers, loop='epochs', stock=False):
    config = Config.fromfile(tiny_config(library))
    config.test_dataloader = config.test_evaluator = config.test_cfg = config.visualizer = None
    config.default_hooks = {'checkpoint': None}
    config.update(work_dir=str(work_dir), log_level='ERROR', experiment_name=f'{work_dir.name}_{num_workers}_{loop}')
    if not stock:
        config.runner_type = 'hrnet_mm.ReliableRunner'
    config.train_cfg = LOOPS[loop]
    config.param_scheduler = None
    loader = config.train_dataloader
    loader.update(num_workers=num_workers, persistent_workers=num_workers > 0)
    if loop == 'iterations':
        loader.sampler = {'type': 'InfiniteSampler', 'shuffle': True}
    flip = {'type': 'RandomFlip', 'prob': 0.5, 'direction': 'horizontal'}
    if library == 'mmpose':
        steps = [{'type': 'RandomFlip'}, {'type': 'RandomBBoxTransform'}]  # of numpy's and scipy's random numbers
        loader.dataset.pipeline[2:2] = steps
    elif library == 'mmpretrain':
        loader.collate_fn = {'type': 'default_collate'}
        loader.dataset.pipeline[1:1] = [{'type': 'RandomResizedCrop', 'scale': 64}, flip]
    else:
        loader.dataset.pipeline[-1:-1] = [flip, {'type': 'PhotoMetricDistortion'}]
    return config


def digest(config):
    runner = RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)
    state = runner.train().state_dict()
    return hashlib.sha256(b''.join(value.numpy().tobytes() for value in state.values())).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('library', 'loop'),
    [('mmdet', 'epochs'), ('mmseg', 'iterations'), ('mmpose', 'epochs'), ('mmpretrain', 'iterations')],
)
def test_workers_do_not_matter(library, loop, tiny_config, tmp_path):
    digests = [digest(augmented_config(library, tiny_config, tmp_path, workers, loop)) for workers in (0, 2)]
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_faster_reading_does_not_matter(tiny_config, tmp_path):
    digests = []
    for faster in (False, True):
        config = augmented_config('mmpose', tiny_config, tmp_path, num_workers=2)
        if faster:
            loader = config.train_dataloader
            loader.collate_fn = {'type': 'hrnet_mm.block_collate'}
            (flip,) = (i for i, step in enumerate(loader.dataset.pipeline) if step['type'] == 'RandomFlip')
            loader.dataset.pipeline.insert(flip + 1, {'type': 'hrnet_mm.ContiguousImage'})
        digests.append(digest(config))
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_with_stock_mmengine_they_do(tiny_config, tmp_path):
    """The reason for the seeding; if this fails, mmengine has become deterministic."""
    digests = [digest(augmented_config('mmpretrain', tiny_config, tmp_path, workers, stock=True)) for workers in (0, 2)]
    assert digests[0] != digests[1]


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_determinism as t
config = t.augmented_config('mmseg', lambda name: Path(sys.argv[1], 'configs', name + '.py'), Path(sys.argv[2]), 2)
print(t.digest(config))
"""


@pytest.mark.slow
def test_another_process_gives_the_same_bits(tiny_config, tmp_path):
    here = digest(augmented_config('mmseg', tiny_config, tmp_path, 0))
    command = [sys.executable, '-c', SCRIPT, str(Path(__file__).parent), str(tmp_path / 'other')]
    there = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert there.returncode == 0, there.stderr
    assert there.stdout.split()[-1] == here


def test_a_sample_leaves_the_random_numbers_of_others_alone():
    def draw():
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    first, second = draw(), draw()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    assert draw() == first
    with sample_rng(3, 0, 7):
        inside = draw()
    with pytest.raises(TypeError), sample_rng(3, 0, 7):
        len(draw()[0])
    assert draw() == second
    others = []
    for entropy in ((3, 0, 8), (3, 1, 7), (4, 0, 7), (3, 0, 7, 1)):
        with sample_rng(*entropy):
            others.append(draw())
    assert len({inside, *others}) == 5
    assert len({value for drawn in (inside, *others) for value in drawn}) == 15


def batches(sampler, **options):
    return SampleBatches(BatchSampler(sampler, 2, drop_last=False), seed=5, **options)


def entropies(drawn):
    return [[(int(index), index.entropy) for index in batch] for batch in drawn]


@pytest.mark.parametrize('first', [0, 1, 4])
def test_seeking_leaves_the_rest_of_an_epoch(first):
    whole = entropies(batches(DefaultSampler(range(9), seed=0)))
    assert len(whole) == 5
    late = batches(DefaultSampler(range(9), seed=0))
    late.seek(first)
    assert entropies(late) == whole[first:]
    assert entropies(late) == whole  # the next epoch is whole


def test_seeking_beyond_the_end_goes_on_in_the_next_epoch():
    late = batches(DefaultSampler(range(9), seed=0))
    late.seek(7)
    assert entropies(late) == []
    late.set_epoch(1)
    other = batches(DefaultSampler(range(9), seed=0))
    other.set_epoch(1)
    assert entropies(late) == entropies(other)[2:]


def test_the_number_of_ranks_does_not_change_a_sample():
    one = {pair for batch in entropies(batches(DefaultSampler(range(8), seed=0))) for pair in batch}
    two = set()
    for rank in (0, 1):
        sampler = DefaultSampler(range(8), seed=0)
        sampler.rank, sampler.world_size, sampler.num_samples = rank, 2, 4
        two |= {pair for batch in entropies(batches(sampler, rank=rank, world_size=2)) for pair in batch}
    assert one == two


def test_an_endless_sampler_never_repeats_itself():
    drawn = iter(batches(InfiniteSampler(range(3), seed=0)))
    seen = [pair for _ in range(6) for pair in entropies([next(drawn)])[0]]
    assert len({entropy for _, entropy in seen}) == 12
    assert json.dumps(sorted(index for index, _ in seen)) == '[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]'
