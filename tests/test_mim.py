"""MIM's commands on an installed wheel."""

from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow


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
