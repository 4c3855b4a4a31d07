"""A config, a task on a folder and the demonstration are trained one way: the same checks, sentences and hooks."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from hrnet_mm.cli import main
from hrnet_mm.tasks import TASKS
from hrnet_mm.training import demonstration, own

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('_quick_processes')]

CONFIG = Path(__file__).parents[2] / 'configs' / 'demo' / 'hrnet-c_digits.py'
OF_THE_TASK = {'ReportHook', 'SpecifyHook', 'LengthHook', 'KeepHook'}


def write_image(file, seed):
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.random.default_rng(seed).integers(0, 255, (28, 28), dtype=np.uint8))


def write_digits(root):
    """The demonstration's data for classification, but ten images of noise, which nothing has to fetch."""
    for index in range(10):
        write_image(root / 'digits' / 'images' / f'{index}.png', index)
    for part in ('train', 'test'):
        (root / 'digits' / f'{part}.txt').write_text(''.join(f'{index}.png {index}\n' for index in range(10)))
    return root / 'digits'


@pytest.fixture
def entrances(tmp_path, monkeypatch):
    """A function from a config of the task to a command line for each entrance, and its work directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(TASKS, 'classification', replace(TASKS['classification'], prepare=write_digits))
    for index in range(10):
        write_image(Path('mine', 'dark' if index % 2 else 'light', f'{index}.png'), index)

    def command_lines(config):
        write_digits(Path('data', 'demo'))
        for module in (demonstration, own):
            monkeypatch.setattr(module, 'config_path', lambda task: config)
        return {
            'config': ['train', str(config), '--work-dir', 'config'],
            'task': ['train', 'classification', '--data', 'mine', '--epochs', '1', '--work-dir', 'task'],
            'demo': ['demo', 'classification', '--iterations', '1', '--work-dir', 'demo'],
        }

    return command_lines


def write_config(file, text):
    file.write_text(
        f"_base_ = ['{CONFIG}']\ntrain_cfg = dict(max_iters=1)\ntrain_dataloader = dict(batch_size=2)\n{text}"
    )
    return file


def test_mistakes_are_refused_with_the_same_sentence(entrances, tmp_path, capsys):
    mistakes = "optim_wrapper = dict(clip_gard=1)\nmodel = dict(head=dict(in_channels=1024))\nload_from = 'gone.pth'\n"
    config = write_config(tmp_path / 'mistaken.py', mistakes)
    expected = (
        f'{config}: 3 mistakes\n'
        "  optim_wrapper.clip_gard: no such key; did you mean 'clip_grad'?\n"
        '  model.head.in_channels: 1024, but its input is 1 map of 2048 channels\n'
        '  load_from: gone.pth does not exist\n'
    )
    for argv in entrances(config).values():
        assert main(argv) == 2
        assert capsys.readouterr().err == f'hrnet-mm {argv[0]}: {expected}'


def test_hooks_are_the_same(entrances, tmp_path):
    config = write_config(tmp_path / 'short.py', '')
    hooks = {}
    for name, argv in entrances(config).items():
        assert main(argv) in (0, 1)  # 1: one iteration reaches no target
        (log,) = Path(name).rglob('*.log')
        hooks[name] = set(re.findall(r'^\([A-Z_ ]+\) (\w+)', log.read_text(), re.MULTILINE)) - OF_THE_TASK
    assert hooks['config'] >= {'SafeCheckpointHook', 'CheckLoadedHook', 'StopOnNonFiniteHook', 'ResumeHook'}
    assert hooks['task'] == hooks['demo'] == hooks['config']
