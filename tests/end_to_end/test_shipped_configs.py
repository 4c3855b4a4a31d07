"""Every shipped config by its own command, on generated data in its data sets' form; of equal ones the first."""

import json
import math
from pathlib import Path

import pytest
import torch
from gradients import unused_parameters
from made_data import make_data
from mmengine.config import Config
from quick import quick_runs
from shrink import loader_options, round_options, settings_of_short_runs, shrinking_options

from hrnet_mm.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings('ignore:__array__ implementation'),  # mmdet's masks, on numpy 2
]

ROOT = Path(__file__).parents[2]
DONE = set()
PATHS = sorted(str(file.relative_to(ROOT)) for file in ROOT.glob('configs/*/*.py') if file.parent.name != '_base_')


@pytest.fixture(scope='module', autouse=True)
def _quick_runs():
    with quick_runs():
        yield


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder as the commands expect it: with configs/, and with the data that the tests make in data/."""
    folder = tmp_path_factory.mktemp('place')
    (folder / 'configs').symlink_to(ROOT / 'configs')
    return folder


class Runs:
    """The runs of one config, all with the same options but for their length."""

    def __init__(self, path):
        self.config = Config.fromfile(path)
        self._path = path
        self._options = [*shrinking_options(self.config), *loader_options(self.config)]
        self.work_dir = Path('work_dirs', path).with_suffix('')

    def settings(self):
        """Return what distinguishes these runs from those of other configs."""
        return settings_of_short_runs(self.config, [*self._options, *round_options(self.config, 2)])

    def call(self, command, *arguments, options=()):
        """Run a command; give the folder that this run logged into."""
        before = folders(self.work_dir)
        where = ['--work-dir', str(self.work_dir), '--cfg-options', *self._options, *options]
        assert main([command, self._path, *arguments, *where]) == 0
        (folder,) = folders(self.work_dir) - before
        return folder

    def train(self, rounds, *arguments):
        """Train to the end of a round; give the iterations' losses, the validations' metrics, and the checkpoint."""
        folder = self.call('train', *arguments, options=round_options(self.config, rounds))
        lines = [json.loads(line) for line in (folder / 'vis_data' / 'scalars.json').read_text().splitlines()]
        losses = {line['iter']: line['loss'] for line in lines if 'loss' in line}
        checkpoint = Path((self.work_dir / 'last_checkpoint').read_text())
        return losses, [metrics(line) for line in lines if 'loss' not in line], checkpoint


def folders(place):
    return set(filter(Path.is_dir, place.glob('*')))


def read(checkpoint):
    """Read by the unpickler in C; the next command reads the same file by the safe one, which is in Python."""
    return torch.load(checkpoint, map_location='cpu', weights_only=False)


def metrics(logged):
    return {key: value for key, value in logged.items() if key not in ('step', 'data_time', 'time')}


@pytest.mark.parametrize('path', PATHS)
def test_trains_validates_resumes_and_tests(path, place, runners, monkeypatch):
    monkeypatch.chdir(place)
    runs = Runs(path)
    if (settings := runs.settings()) in DONE:  # many differ in their widths and schedules alone
        return
    make_data(runs.config, place)

    losses, validations, checkpoint = runs.train(1)
    end = max(losses)
    assert list(losses) == list(range(1, end + 1))
    assert end >= 2
    assert all(math.isfinite(loss) for loss in losses.values())
    assert len(validations) == (runs.config.get('val_cfg') is not None)
    saved = read(checkpoint)
    assert saved['meta']['iter'] == end
    assert not unused_parameters(runners[0]) or runs.config.get('find_unused_parameters')
    runners.clear()

    # A checkpoint that was written before its validation lets the next run begin with that; one of a new best does not.
    again = [] if saved['resume']['validated'] else validations
    resumed, validations, checkpoint = runs.train(2, '--resume')
    assert list(resumed) == list(range(end + 1, 2 * end + 1))
    assert validations[: len(again)] == again
    trained = read(checkpoint)
    assert trained['meta']['iter'] == 2 * end
    changed = [name for name, value in trained['state_dict'].items() if not value.equal(saved['state_dict'][name])]
    assert any(name.startswith('backbone.') for name in changed)

    folder = runs.call('test', '--weights', str(checkpoint))
    (written,) = folder.glob('*.json')
    tested = metrics(json.loads(written.read_text()))
    if not tested:  # CenterNet keeps boxes with a keypoint in their middle alone, and an untrained one finds none
        (log,) = folder.glob('*.log')
        assert 'The testing results of the whole dataset is empty' in log.read_text()
    assert all(isinstance(value, int | float) for value in tested.values())
    if all(runs.config[f'test_{part}'] == runs.config.get(f'val_{part}') for part in ('dataloader', 'evaluator')):
        assert tested == validations[-1]
    if (runs.config.get('tta_model') or {}).get('type') == 'OfficialTTA':
        # As published, but for the number of scales.
        folder = runs.call('test', '--weights', str(checkpoint), '--tta', options=['tta_model.scales=[0.5]'])
        (written,) = folder.glob('*.json')
        assert metrics(json.loads(written.read_text())).keys() == tested.keys()
    DONE.add(settings)
