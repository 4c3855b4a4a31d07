"""What a user sees of an error: a sentence for a mistake, a traceback for a defect, the way on after Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from mmengine.config import Config

from hrnet_mm.cli import main
from hrnet_mm.errors import UserError
from hrnet_mm.fast.graphs import EngineError
from hrnet_mm.weights import CheckpointError

HOOK = """
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class {name}(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        {body}
"""


@pytest.fixture
def with_hook(tiny_config, tmp_path, monkeypatch):
    """A function that writes a tiny config with a hook of a user's own, and returns its path."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path), os.environ['PYTHONPATH']]))

    def write(name, body):
        (tmp_path / f'{name.lower()}.py').write_text(HOOK.format(name=name, body=body))
        config = Config.fromfile(tiny_config('mmpretrain'))
        config.custom_imports.imports = [*config.custom_imports.imports, name.lower()]
        config.custom_hooks = [{'type': name}]
        config.dump(tmp_path / 'config.py')
        return str(tmp_path / 'config.py')

    return write


def call(*arguments, **options):
    command = [sys.executable, '-W', 'ignore', '-m', 'hrnet_mm.cli', *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize('kind', [CheckpointError, EngineError])
def test_kinds_of_a_users_mistake(kind):
    assert issubclass(kind, UserError)
    assert issubclass(kind, ValueError)


def test_a_mistake_is_one_sentence(tiny_config, tmp_path, capsys):
    assert main(['train', str(tiny_config('mmdett')), '--work-dir', str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('hrnet-mm train: ')
    assert 'no such config file; the nearest name is' in line


def test_an_error_of_shapes_keeps_its_traceback(tiny_config, tmp_path):
    options = ['--unchecked', '--work-dir', str(tmp_path), '--cfg-options', 'model.head.in_channels=7']
    with pytest.raises(RuntimeError, match='shapes cannot be multiplied'):
        main(['train', str(tiny_config('mmpretrain')), *options])


def test_an_error_in_a_users_hook_keeps_its_traceback(with_hook, tmp_path):
    config = with_hook('Careless', "outputs['no_such_loss']")
    process = call('train', config, '--work-dir', tmp_path / 'work')
    error = process.communicate()[1]
    assert process.returncode == 1
    assert 'careless.py' in error
    assert error.splitlines()[-1] == "KeyError: 'no_such_loss'"


def test_an_error_in_a_pipeline_is_no_unreadable_image(tiny_config, tiny_data, tmp_path):
    config = Config.fromfile(tiny_config('mmpretrain'))
    config.test_dataloader.dataset.pipeline.insert(1, {'type': 'Resize', 'scale': 'large'})
    config.dump(tmp_path / 'config.py')
    main(['train', str(tiny_config('mmpretrain')), '--work-dir', str(tmp_path / 'work')])
    model = ['--model', str(tmp_path / 'config.py'), '--checkpoint', str(tmp_path / 'work' / 'epoch_2.pth')]
    with pytest.raises(cv2.error, match='Bad argument'):
        main(['predict', str(tiny_data / 'images'), *model, '--out', str(tmp_path / 'out')])


def test_no_image_could_be_read(tiny_config, tmp_path, capsys):
    main(['train', str(tiny_config('mmpretrain')), '--work-dir', str(tmp_path / 'work')])
    (tmp_path / 'images').mkdir()
    for name in ('a.png', 'b.jpg'):
        (tmp_path / 'images' / name).write_text('not an image')
    model = ['--model', str(tmp_path / 'work' / 'epoch_2.pth')]
    capsys.readouterr()
    assert main(['predict', str(tmp_path / 'images'), *model, '--out', str(tmp_path / 'out')]) == 1
    printed = capsys.readouterr()
    assert '0 of 2 images answered, 2 could not be read' in printed.out
    assert printed.err.count('is not an image that OpenCV reads, or is damaged') == 2


def interrupt(process, when):
    for _ in range(1200):
        if when() or process.poll() is not None:
            break
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    return process.returncode, error.splitlines()


@pytest.mark.slow
def test_an_interrupted_training_says_how_to_continue(with_hook, tmp_path):
    config, work = with_hook('Slow', '__import__("time").sleep(0.2)'), tmp_path / 'work'
    process = call('train', config, '--work-dir', work, '--cfg-options', 'train_cfg.max_epochs=500')
    code, lines = interrupt(process, (work / 'last_checkpoint').exists)
    assert code == 130
    last = (work / 'last_checkpoint').read_text()
    assert Path(last).is_file()
    said = f'hrnet-mm train: interrupted; {last} is saved. To continue: hrnet-mm train {config} --work-dir {work} '
    assert lines[-1] == said + '--cfg-options train_cfg.max_epochs=500 --resume'
    assert not any(line.startswith('Traceback') for line in lines)


@pytest.mark.slow
def test_an_interrupted_prediction_says_how_to_continue(tiny_config, tiny_data, tmp_path):
    main(['train', str(tiny_config('mmseg')), '--work-dir', str(tmp_path / 'work')])
    images = tmp_path / 'images'
    images.mkdir()
    for i in range(3000):
        (images / f'{i}.png').symlink_to(tiny_data / 'images' / '0.png')
    out = tmp_path / 'out'
    process = call('predict', images, '--model', tmp_path / 'work' / 'epoch_2.pth', '--out', out, '--no-pictures')
    code, lines = interrupt(process, lambda: any(file.stat().st_size for file in out.glob('shards/*.jsonl')))
    assert code == 130
    assert 'of 3000 images are answered in' in lines[-1]
    assert lines[-1].endswith(f'--out {out} --no-pictures')
