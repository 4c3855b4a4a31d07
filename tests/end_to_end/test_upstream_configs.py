"""Every HRNet config that the libraries ship: one iteration by `hrnet-mm train` with the drop-in, on made data.

Of configs that are equal in this iteration, the first is run.
"""

import json
import math
from pathlib import Path

import pytest
from gradients import unused_parameters
from made_data import make_data
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.utils import import_modules_from_strings
from quick import quick_runs
from shrink import loader_options, settings_of_short_runs, shrinking_options, with_options
from upstream import COUNTS, configs_root, upstream_paths

from hrnet_mm.cli import main
from hrnet_mm.weights import read_checkpoint, write_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('ignore:__array__ implementation')]  # masks, on numpy 2

DONE = set()
_FOR_TESTS = 'body_2d_keypoint/associative_embedding/coco/ae_hrnet-w32_8xb24-300e_coco-512x512.py'
"""Its train_pipeline is empty: mmpose ships it for the test of published weights."""


@pytest.fixture(scope='module', autouse=True)
def _quick_runs():
    with quick_runs():
        yield


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with the data that the tests make in data/, where the configs look for it."""
    return tmp_path_factory.mktemp('place')


def one_iteration(config):
    """Return the settings that end a training after its first iteration, before a validation."""
    if config.train_cfg.get('by_epoch', 'Epoch' in str(config.train_cfg.get('type'))):
        options = ['train_cfg.max_epochs=1', 'train_dataloader.num_batch_per_epoch=1', 'train_cfg.val_begin=2']
    else:
        options = ['train_cfg.max_iters=1', 'train_cfg.val_begin=2']
    if 'PoseTrack18Metric' in str(config.val_evaluator):
        options += [f'val_{part}=None' for part in ('cfg', 'dataloader', 'evaluator')]  # needs poseval, not on PyPI
    if config.get('load_from'):
        options.append('load_from=None')  # published weights, which do not fit the small network
    return options


CONFIGS = [(library, path) for library in COUNTS for path in upstream_paths(library)]


@pytest.mark.parametrize(('library', 'path'), [config for config in CONFIGS if config[1] != _FOR_TESTS])
def test_trains_an_iteration(library, path, place, runners, monkeypatch):
    monkeypatch.chdir(place)
    file = configs_root(library) / path
    config = Config.fromfile(file)
    drop_in = [f'custom_imports.imports=[hrnet_mm.drop_in.{library}]', 'custom_imports.allow_failed_imports=False']
    options = [*drop_in, *shrinking_options(config), *loader_options(config), *one_iteration(config)]
    if (settings := settings_of_short_runs(config, options)) in DONE:  # many differ in their widths and schedules alone
        return
    make_data(config, place)
    work_dir = Path('work_dirs', library, path).with_suffix('')
    amp = ['--amp'] if config.optim_wrapper.get('type') == 'AmpOptimWrapper' else []  # bfloat16, on a CPU
    assert main(['train', str(file), *amp, '--work-dir', str(work_dir), '--cfg-options', *options]) == 0

    (runner,) = runners
    assert not unused_parameters(runner) or config.get('find_unused_parameters')
    assert type(runner.model.backbone).__module__ == f'hrnet_mm.drop_in.{library}'
    assert runner.iter == 1
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    (line,) = log.read_text().splitlines()
    assert math.isfinite(json.loads(line)['loss'])
    checkpoint = read_checkpoint(Path((work_dir / 'last_checkpoint').read_text()))
    assert checkpoint['meta']['iter'] == 1
    assert any(name.startswith('backbone.stage4.') for name in checkpoint['state_dict'])
    DONE.add(settings)


def test_the_config_that_only_tests(place, monkeypatch):
    monkeypatch.chdir(place)
    file = configs_root('mmpose') / _FOR_TESTS
    config = Config.fromfile(file)
    assert config.train_pipeline == []
    make_data(config, place)
    drop_in = ['custom_imports.imports=[hrnet_mm.drop_in.mmpose]', 'custom_imports.allow_failed_imports=False']
    options = [*drop_in, *shrinking_options(config), *loader_options(config)]
    small = with_options(config, options)
    import_modules_from_strings(**small.custom_imports)
    with DefaultScope.overwrite_default_scope('mmpose'):
        weights = write_checkpoint(place / 'random.pth', MODELS.build(small.model).state_dict())
    work_dir = Path('work_dirs', 'mmpose', _FOR_TESTS).with_suffix('')
    assert (
        main(['test', str(file), '--weights', str(weights), '--work-dir', str(work_dir), '--cfg-options', *options])
        == 0
    )
    (written,) = work_dir.glob('*/*.json')
    assert math.isfinite(json.loads(written.read_text())['coco/AP'])
