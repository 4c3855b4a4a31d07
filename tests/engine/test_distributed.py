"""Two processes over gloo train and test as one process does; tests/end_to_end starts them by torchrun."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hrnet_mm.weights import read_checkpoint

WORKER = Path(__file__).with_name('distributed_worker.py')
LIBRARIES = ('mmseg', 'mmpretrain')

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def runs(tiny_data, tmp_path_factory):
    """The work directories of one process and of two, which trained the same networks on the same batches."""
    folder = tmp_path_factory.mktemp('distributed')
    configs = [str(WORKER.parent / 'configs' / f'{library}.py') for library in LIBRARIES]
    command = [sys.executable, str(WORKER), str(folder), *configs]
    environment = {**os.environ, 'TINY_DATA': str(tiny_data)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder / 'one', folder / 'two'


def metrics(folder):
    (file,) = (folder / 'test').glob('*/*.json')
    return {key: value for key, value in json.loads(file.read_text()).items() if 'time' not in key}


@pytest.mark.parametrize('library', LIBRARIES)
def test_training_gives_the_same_weights(library, runs):
    one, two = (read_checkpoint(folder / library / 'train' / 'epoch_2.pth') for folder in runs)
    assert one['meta']['iter'] == two['meta']['iter'] == 4
    # Two processes divide the gradient's sum, one sums the divided losses: rounding of 4 steps of float32.
    for name, value in one['state_dict'].items():
        torch.testing.assert_close(
            two['state_dict'][name], value, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f'{n}: {m}'
        )


@pytest.mark.parametrize('library', LIBRARIES)
def test_metrics_and_predictions_are_the_same(library, runs):
    one, two = (metrics(folder / library) for folder in runs)
    assert len(one) > 0
    assert two == pytest.approx(one, abs=1e-3)
    one, two = (pickle.loads((folder / library / 'predictions.pkl').read_bytes()) for folder in runs)
    assert len(one) == len(two) == 3  # what fills the second process's share up is not counted
    assert [sample['img_path'] for sample in one] == [sample['img_path'] for sample in two]


def test_sharded_training_gives_the_same_weights(runs):
    """FSDP2; mmengine's FSDPStrategy is FSDP1, which always needs a GPU."""
    found = json.loads((runs[1] / 'sharded.json').read_text())
    assert found['held'] < 0.6  # the rest is with the other process
    assert found['moved'] > 1e-3
    assert found['apart'] < 1e-5 * max(1, found['moved'])
