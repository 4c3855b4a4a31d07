"""Exit codes: a mistake of the user is one sentence, everything else a traceback, and Ctrl-C says how to continue."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings

import cv2
import numpy as np
import pytest
import torch
from forked import ForkedCommand
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from hrnet_mm.cli import main
from hrnet_mm.commands._warnings import ignore_library_warnings
from hrnet_mm.weights import read_checkpoint

_MINE = """
import time
import warnings
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.registry import TRANSFORMS

@HOOKS.register_module()
class MyHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        {hook}

@TRANSFORMS.register_module()
class MyTransform:
    def __init__(self, **settings):
        pass
    def __call__(self, results):
        {transform}
        return results
"""


@pytest.fixture
def mine(tiny_config, tmp_path, monkeypatch):
    """A function from the bodies of a hook and a transform of a user's own module to a config that uses them."""
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path), os.environ['PYTHONPATH']]))

    def make(hook='pass', transform='pass'):
        (tmp_path / 'mine.py').write_text(_MINE.format(hook=hook, transform=transform))
        base = tiny_config('mmpretrain')
        (tmp_path / 'config.py').write_text(
            f"_base_ = '{base}'\n"
            "custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain', 'mine'], allow_failed_imports=False)\n"
            "custom_hooks = [dict(type='MyHook')]\n"
            "_steps = [dict(type='LoadImageFromFile'), dict(type='MyTransform'), dict(type='PackInputs')]\n"
            'test_dataloader = dict(dataset=dict(pipeline=_steps))\n'
        )
        return tmp_path / 'config.py'

    return make


@pytest.fixture
def weights(tiny_config, tmp_path):
    """A checkpoint of the tiny classifier, without a config."""
    config = Config.fromfile(tiny_config('mmpretrain'))
    init_default_scope('mmpretrain')
    torch.save({'state_dict': MODELS.build(config.model).state_dict()}, tmp_path / 'weights.pth')
    return tmp_path / 'weights.pth'


def start(*arguments):
    command = [sys.executable, '-m', 'hrnet_mm.cli', *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # It is ignored where a shell started the tests in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def ended(process):
    out, err = process.communicate(timeout=300)
    return process.poll(), out, err


def stopped(process, is_due):
    """Press Ctrl-C once `is_due`, and return the exit code and the standard error stream."""
    begin = time.monotonic()
    while not is_due() and process.poll() is None and time.monotonic() - begin < 300:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    return code, [line for line in err.splitlines() if line.startswith('hrnet-mm') or 'Traceback' in line]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('hook', 'error'),
    [
        ("runner.cfg['no_such_key']", 'KeyError'),
        ('runner.model.head.fc.weight.data = runner.model.head.fc.weight.data[:, :7]', 'RuntimeError'),
    ],
)
def test_errors_of_a_program_keep_their_traceback(hook, error, mine, tmp_path):
    code, _, err = ended(ForkedCommand(['train', mine(hook), '--work-dir', tmp_path / 'work']))
    assert code == 1
    assert 'Traceback (most recent call last)' in err
    assert re.search(rf'^{error}: ', err, re.MULTILINE)


def test_a_mistake_in_a_config_is_a_sentence(mine, tmp_path, capsys):
    options = ['--work-dir', str(tmp_path / 'work'), '--cfg-options', 'optim_wrapper.clip_gard.max_norm=1']
    assert main(['train', str(tmp_path / 'none.py'), *options]) == 2
    assert capsys.readouterr().err.startswith(f'hrnet-mm train: {tmp_path}/none.py: no such config file')


@pytest.fixture
def broken(tmp_path):
    folder = tmp_path / 'broken'
    folder.mkdir()
    (folder / 'empty.jpg').touch()
    (folder / 'text.jpg').write_text('not an image')
    return folder


def predict(images, weights, config, out):
    return ['predict', str(config), '--weights', str(weights), '--data', str(images), '--out', str(out)]


def test_unreadable_images_are_counted_and_fail_only_if_all_are(broken, weights, tiny_config, tmp_path, capsys):
    config = tiny_config('mmpretrain')
    assert main(predict(broken, weights, config, tmp_path / 'none')) == 1
    assert '0 of 2 images done, 2 could not be read' in capsys.readouterr().out
    cv2.imwrite(str(broken / 'good.png'), np.zeros((64, 64, 3), np.uint8))
    assert main(predict(broken, weights, config, tmp_path / 'some')) == 0
    assert '1 of 3 images done, 2 could not be read' in capsys.readouterr().out


@pytest.mark.slow
def test_an_error_of_a_pipeline_is_no_unreadable_image(weights, tiny_data, mine, tmp_path):
    command = predict(tiny_data / 'images', weights, mine(transform="results['no_such_key']"), tmp_path / 'out')
    code, _, err = ended(ForkedCommand(command))
    assert code == 1
    assert 'Traceback (most recent call last)' in err
    assert "KeyError: 'no_such_key'" in err


@pytest.mark.slow
def test_an_interrupted_training_names_the_checkpoint_and_the_command(mine, tmp_path):
    work = tmp_path / 'work'
    slow = mine('time.sleep(0.2 if runner.iter < 100 else 60)')
    command = ['train', slow, '--work-dir', work, '--cfg-options', 'train_cfg.max_epochs=1000']
    process = start(*command)
    code, lines = stopped(process, (work / 'last_checkpoint').is_file)
    assert code == 130
    (line,) = lines
    said = re.fullmatch(r'hrnet-mm train: interrupted; the last checkpoint is (\S+); continue with: (.*)', line)
    assert said, line
    done = read_checkpoint(said[1])['meta']['iter']
    again = shlex.split(said[2])
    assert again == ['hrnet-mm', *map(str, command), '--resume']
    more = [setting.replace('max_epochs=1000', f'max_epochs={done // 2 + 1}') for setting in again[1:]]
    assert ended(ForkedCommand(more))[0] == 0
    assert read_checkpoint(work / f'epoch_{done // 2 + 1}.pth')['meta']['iter'] == done + 2


@pytest.mark.slow
def test_an_interrupted_prediction_names_the_folder_and_the_command(weights, tiny_data, mine, tmp_path):
    images, out = tmp_path / 'images', tmp_path / 'out'
    images.mkdir()
    for i in range(200):
        os.link(tiny_data / 'images' / '1.png', images / f'{i:03}.png')
    command = predict(images, weights, mine(transform='import time; time.sleep(0.1)'), out)
    shard = out / 'shards' / '00000-of-00001.jsonl'
    code, lines = stopped(ForkedCommand(command), lambda: shard.is_file() and shard.read_bytes().count(b'\n') > 3)
    assert code == 130
    (line,) = lines
    said = re.fullmatch(r'hrnet-mm predict: interrupted; (\d+) of 200 images are done and kept in (\S+); (.*)', line)
    assert said, line
    assert said[2] == str(out)
    assert said[3] == f'continue with: {shlex.join(["hrnet-mm", *command])}'
    assert shard.read_bytes().count(b'\n') == int(said[1]) > 3


def test_commands_leave_the_warnings_of_others_alone():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        ignore_library_warnings()
        for module in ('mmseg.models', 'mine'):
            for category in (DeprecationWarning, UserWarning):
                warnings.warn_explicit('of a program', category, 'file.py', 1, module)
        warnings.warn_explicit('pkg_resources is deprecated as an API', UserWarning, 'file.py', 1, 'mmengine.utils')
    assert [warning.category for warning in caught] == [UserWarning, DeprecationWarning, UserWarning]
