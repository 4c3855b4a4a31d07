"""A config as a user has it, in its own folder: run by the commands, with the results of each run."""

import json
import math
from pathlib import Path

from made_data import make_data
from mmengine.config import Config
from quick import quick_runs

from hrnet_mm.cli import main
from hrnet_mm.weights import read_checkpoint


class UserProject:
    """The runs of one config in the current folder, where its data are made."""

    def __init__(self, config):
        self.config = config
        self.work_dir = Path('work_dirs', config.stem)
        with quick_runs():
            self.settings = Config.fromfile(config)

    def make_data(self):
        make_data(self.settings, Path())

    def call(self, command, *arguments):
        """Run a command; give the folder that it logged into."""
        before = set(filter(Path.is_dir, self.work_dir.glob('*')))
        with quick_runs():
            assert main([command, str(self.config), *map(str, arguments)]) == 0
        (folder,) = set(filter(Path.is_dir, self.work_dir.glob('*'))) - before
        return folder

    def train(self, *arguments):
        """Train, and return the log and the following validation by iteration, and the last checkpoint.

        An overdue validation of a resumed run, before its first iteration, has the iteration 0.
        """
        scaling = self.settings.get('auto_scale_lr') or {}
        if scaling and not scaling.get('enable') and '--auto-scale-lr' not in arguments:
            arguments = ('--lr', self.settings.optim_wrapper.optimizer.lr, *arguments)  # its batches are small
        folder = self.call('train', *arguments)
        iterations, validations, last = {}, {}, 0
        for line in map(json.loads, (folder / 'vis_data' / 'scalars.json').read_text().splitlines()):
            if 'loss' in line:
                last = line['iter']
                iterations[last] = line
                assert math.isfinite(line['loss'])
            else:
                validations[last] = _metrics(line)
        return iterations, validations, read_checkpoint(self.checkpoint)

    def test(self, *arguments):
        """Test the last checkpoint; give the metrics."""
        (written,) = self.call('test', '--weights', self.checkpoint, *arguments).glob('*.json')
        return _metrics(json.loads(written.read_text()))

    def predict(self, image, *arguments):
        """Return the prediction of the last checkpoint for an image, without its config."""
        out = self.work_dir / 'predictions'
        assert main(['predict', self.checkpoint, '--data', str(image), '--out', str(out), *arguments]) == 0
        (line,) = (out / 'predictions.jsonl').read_text().splitlines()
        assert (out / 'pictures' / f'{image.name}.png').is_file()
        return json.loads(line)

    @property
    def checkpoint(self):
        return (self.work_dir / 'last_checkpoint').read_text()

    def checkpoints(self):
        return sorted(file.name for file in self.work_dir.glob('*.pth'))

    def calls(self):
        """Return the calls that the user's hook counted in the last run."""
        return json.loads((self.work_dir / 'calls.json').read_text())


def _metrics(logged):
    return {key: value for key, value in logged.items() if key not in ('step', 'data_time', 'time')}
