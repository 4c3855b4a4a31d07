"""MIM's commands on an installed wheel; in an editable one MIM finds no package, neither this nor another."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def mim(wheel, tmp_path_factory):
    """A function that runs MIM where the wheel is installed, and returns what it printed."""
    folder = tmp_path_factory.mktemp('mim')
    python = folder / 'venv' / 'bin' / 'python'
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder / 'venv'], check=True)
    version = f'python{sys.version_info.major}.{sys.version_info.minor}'
    packages = folder / 'venv' / 'lib' / version / 'site-packages'
    # Everything else comes from this environment. The .pth file in there that points to the checkout is not read.
    (packages / 'others.pth').write_text(sysconfig.get_path('purelib'))
    run(sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet', '--no-deps', '--no-index', wheel)

    def run_mim(*arguments):
        return run(python, '-W', 'ignore', '-m', 'mim', *arguments, cwd=folder)

    return run_mim


def run(*command, cwd=None):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_train_with_the_library(mim, tiny_config, tmp_path):
    output = mim('train', 'mmdet', tiny_config('mmdet'), '--gpus', '0', '--work-dir', tmp_path)
    assert 'mmdet/.mim/tools/train.py' in output
    assert (tmp_path / 'epoch_2.pth').exists()


def test_train_and_test_by_the_name_of_a_config(mim, tiny_data, tmp_path):
    data = [f'data_root={tiny_data}', 'ann_file=classes.txt', 'data_prefix=images']

    def options(loader):
        return ['--cfg-options', 'train_cfg.max_iters=2', *(f'{loader}.dataset.{setting}' for setting in data)]

    name = 'hrnet-c_digits.py'
    output = mim('train', 'hrnet_mm', name, '--gpus', '0', '--work-dir', tmp_path, *options('train_dataloader'))
    assert 'hrnet_mm/.mim/tools/train.py' in output
    checkpoint = tmp_path / 'iter_2.pth'
    options_of_test = ['--work-dir', tmp_path, *options('test_dataloader')]
    output = mim('test', 'hrnet_mm', name, '--checkpoint', checkpoint, '--gpus', '0', *options_of_test)
    assert 'Testing finished successfully' in output


def test_run(mim, tiny_config, tmp_path):
    options = ['--work-dir', tmp_path, '--cfg-options', 'train_cfg.max_epochs=1']
    assert 'finished successfully' in mim('run', 'hrnet_mm', 'train', tiny_config('mmpretrain'), *options)
    assert (tmp_path / 'epoch_1.pth').exists()


def test_search(mim):
    root = Path(__file__).parents[1]
    metafiles = yaml.safe_load((root / 'model-index.yml').read_text())['Import']
    output = mim('search', 'hrnet_mm')
    for metafile in metafiles:
        assert all(model['Name'] in output for model in yaml.safe_load((root / metafile).read_text())['Models'])
