"""One config of each family by the other ways to start it: MIM, the scripts, torchrun, and the commands' options."""

import json
import math
import re
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from made_data import make_data
from mmengine.config import Config, DictAction
from quick import quick_runs
from shrink import loader_options, round_options, shrinking_options
from upstream import configs_root

from hrnet_mm.cli import main
from hrnet_mm.weights import read_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('ignore:__array__ implementation')]  # masks, on numpy 2

ROOT = Path(__file__).parents[2]
FAMILIES = [
    'detection/faster-rcnn_hrnetv2p-w18_1x_coco.py',
    'detection/mask-rcnn_hrnetv2p-w18_1x_coco.py',
    'detection/cascade-mask-rcnn_hrnetv2p-w18_20e_coco.py',
    'detection/htc_hrnetv2p-w18_20e_coco.py',
    'detection/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py',
    'detection/centernet-triplet_hrnetv2p-w48_8xb6-480k_coco.py',
    'demo/mask-rcnn_hrnetv2p_nuclei.py',
    'segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024.py',
    'segmentation/ocrnet_hr48_ohem-4xb4-152k_ade20k-520x520.py',
    'ablations/fcn_hr48_product_cityscapes-512x1024.py',
    'pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py',
    'pose/ae_hrnet-w32_8xb24-300e_coco-512x512.py',
    'pose/dekr_hrnet-w32_8xb10-140e_coco-512x512.py',
    'pose/dekr_hrnet-w32_official-4xb10-140e_coco-512x512.py',
    'pose/higherhrnet_hrnet-w32_4xb12-300e_coco-512x512.py',
    'face/td-hm_hrnetv2-w18_1xb16-60e_wflw-256x256.py',
    'ablations/td-hm_hrnet-w32_2x-stream_coco-256x192.py',
    'learn/td-hm_hrnetv1_openfield.py',
    'classification/hrnet-w18_8xb32_in1k.py',
    'ablations/hrnet-w27-ci_8xb32_in1k.py',
]
MIM = [
    ('mmdet', 'detection/mask-rcnn_hrnetv2p-w18_1x_coco.py'),
    ('mmseg', 'segmentation/ocrnet_hr18_4xb2-160k_cityscapes-512x1024.py'),
    ('mmpose', 'pose/dekr_hrnet-w32_8xb10-140e_coco-512x512.py'),
    ('mmpretrain', 'classification/hrnet-w32_8xb32_in1k.py'),
    ('hrnet_mm', 'detection/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py'),
    ('hrnet_mm', 'demo/fcn_hrnetv2_nuclei.py'),
    ('hrnet_mm', 'face/td-hm_hrnetv2-w18_1xb16-60e_300w-256x256.py'),
    ('hrnet_mm', 'ablations/hrnet-w36-ci_8xb32_in1k.py'),
]
SEVERAL = Path(__file__).with_name('several_scripts.py')


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder as the commands expect it: with configs/, and with the data that the tests make in data/."""
    folder = tmp_path_factory.mktemp('place')
    (folder / 'configs').symlink_to(ROOT / 'configs')
    return folder


@pytest.fixture(scope='module', autouse=True)
def _quick_runs():
    with quick_runs():
        yield


@pytest.fixture(scope='module')
def _prepare(place):
    @cache
    def prepare(file):
        config = Config.fromfile(file)
        make_data(config, place)
        return config, [*shrinking_options(config), *round_options(config, 1), *loader_options(config)]

    return prepare


@pytest.fixture
def prepared(place, _prepare, monkeypatch):
    """A function that reads a config and makes its data; it gives the config and the settings of one short round."""
    monkeypatch.chdir(place)
    return lambda file: deepcopy(_prepare(file))


def trained(work_dir, iterations=None):
    """The checkpoint of a training of so many iterations, none of whose losses was lost or infinite."""
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    losses = {line['iter']: line['loss'] for line in lines if 'loss' in line}
    end = max(losses) if iterations is None else iterations
    assert list(losses) == list(range(1, end + 1))
    assert end >= 2
    assert all(math.isfinite(loss) for loss in losses.values())
    checkpoint = read_checkpoint(Path((work_dir / 'last_checkpoint').read_text()))
    assert checkpoint['meta']['iter'] == end
    return checkpoint


def value_at(part, key):
    for name in key.split('.'):
        part = part[int(name)] if isinstance(part, list | tuple) else part[name]
    return part


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout


def test_mim(python_with_wheel, prepared, place):
    """By the library's own script, and by this package's with a config that MIM finds by its name."""
    work_dirs, lines = [], []
    for package, path in MIM:
        _, options = prepared(f'configs/{path}')
        work_dirs.append((place / 'mim' / package / path).with_suffix(''))
        config = Path(path).name if package == 'hrnet_mm' else f'configs/{path}'
        lines.append([package, config, '--work-dir', str(work_dirs[-1]), '--cfg-options', *options])
    output = run(python_with_wheel, '-W', 'ignore', SEVERAL.with_name('several_mim.py'), json.dumps(lines))
    scripts = re.findall(r'Training command is \S+ \S*/(\w+/\.mim/tools/train\.py) ', output)
    assert scripts == [f'{package}/.mim/tools/train.py' for package, _ in MIM]
    for (_, path), work_dir in zip(MIM, work_dirs, strict=True):
        trained(work_dir, 4 if '300w' in path else 2)


def test_scripts_with_worker_processes(prepared, place):
    upstream, work_dir = configs_root('mmdet') / 'hrnet' / 'faster-rcnn_hrnetv2p-w18-1x_coco.py', place / 'drop_in'
    _, options = prepared(upstream)
    drop_in = ['custom_imports.imports=[hrnet_mm.drop_in.mmdet]', 'custom_imports.allow_failed_imports=False']
    options += [*drop_in, 'model.backbone.fuse_upsample=nearest']  # which mmdet's own HRNet does not take
    # First, where nothing else has imported the drop-in.
    lines = [[str(ROOT / 'tools/train.py'), str(upstream), '--work-dir', str(work_dir), '--cfg-options', *options]]
    work_dirs = []
    for path in FAMILIES:
        config, options = prepared(f'configs/{path}')
        work_dir = (place / 'scripts' / path).with_suffix('')
        common = ['--work-dir', str(work_dir), '--cfg-options', *options]
        common += ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True']
        last = 'epoch_1.pth' if config.default_hooks.checkpoint.get('by_epoch', True) else 'iter_2.pth'
        lines.append([str(ROOT / 'tools/train.py'), f'configs/{path}', *common])
        lines.append([str(ROOT / 'tools/test.py'), f'configs/{path}', str(work_dir / last), *common])
        work_dirs.append(work_dir)
    run(sys.executable, SEVERAL, json.dumps(lines))
    trained(place / 'drop_in', 2)
    for work_dir in work_dirs:
        trained(work_dir)
        (metrics,) = work_dir.glob('*/*.json')
        assert all(isinstance(value, int | float) for value in json.loads(metrics.read_text()).values())


def test_two_processes(prepared, place):
    work_dirs, lines = [], []
    for path in FAMILIES:
        _, options = prepared(f'configs/{path}')
        work_dir = (place / 'two_processes' / path).with_suffix('')
        common = ['--launcher', 'pytorch', '--work-dir', str(work_dir), '--cfg-options', *options]
        common.append('train_dataloader.batch_size=1')  # two together
        lines.append([str(ROOT / 'tools/train.py'), f'configs/{path}', *common])
        work_dirs.append(work_dir)
    torchrun = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    run(*torchrun, SEVERAL, json.dumps(lines))
    for work_dir in work_dirs:
        trained(work_dir)


@pytest.mark.parametrize('path', FAMILIES)
def test_bfloat16_with_a_scaled_learning_rate_and_settings(path, prepared, place):
    config, options = prepared(f'configs/{path}')
    work_dir = (place / 'amp' / path).with_suffix('')
    switches = ['--amp', '--auto-scale-lr'] if 'auto_scale_lr' in config else ['--amp']
    assert main(['train', f'configs/{path}', *switches, '--work-dir', str(work_dir), '--cfg-options', *options]) == 0

    written = Config.fromfile(next(work_dir.glob('*.py')))
    assert written.optim_wrapper.type == 'hrnet_mm.Bf16OptimWrapper'
    for option in options:  # places in lists among them
        key, _, value = option.partition('=')
        assert value_at(written, key) == DictAction._parse_iterable(value), option
    checkpoint = trained(work_dir)
    if 'auto_scale_lr' in config:
        scaled = config.optim_wrapper.optimizer.lr * 2 / config.auto_scale_lr.base_batch_size
        assert checkpoint['optimizer']['param_groups'][0]['initial_lr'] == pytest.approx(scaled)
