"""`hrnet-mm predict`: all four libraries, many processes, kills, bad images, and checkpoints that want to run code."""

import inspect
import json
import os
import re
import shutil
import signal
import socket
import sys
import textwrap
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from forked import ForkedCommand
from mmengine.config import Config

from hrnet_mm.cli import main
from hrnet_mm.inference import Predictor, predict_images
from hrnet_mm.inference.predictions import Predictions, merge
from hrnet_mm.inference.stored_config import stored_config

LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')


@pytest.fixture
def images(tiny_data, tmp_path):
    """A folder with the four tiny images, one of them deeper, an empty one and a text that says it is one."""
    folder = tmp_path / 'images'
    shutil.copytree(tiny_data / 'images', folder)
    (folder / 'deeper').mkdir()
    (folder / '3.png').rename(folder / 'deeper' / '3.png')
    (folder / 'empty.jpg').touch()
    (folder / 'text.jpg').write_text('not an image')
    return folder


def run(*arguments):
    return main(['predict', *map(str, arguments)])


def read_lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def start(*arguments, **environment):
    return ForkedCommand(['predict', *arguments], **environment)


@pytest.mark.parametrize(
    ('documented', 'output'), [(Predictor, 'drawn.png'), (predict_images, 'predictions/model.json')]
)
def test_examples_run(documented, output, checkpoint, tiny_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint('mmdet').rename('weights.pth')
    shutil.copytree(tiny_data / 'images', 'images')
    shutil.copy(Path('images', '0.png'), 'image.jpg')
    (example,) = re.findall(r'```python\n(.*?) *```', inspect.getdoc(documented), re.DOTALL)
    exec(textwrap.dedent(example), {})
    assert Path(output).is_file()


@pytest.mark.parametrize('library', LIBRARIES)
def test_predicts_and_draws(library, checkpoint, images, tmp_path, capsys):
    assert run(checkpoint(library), '--data', images, '--out', tmp_path / 'out', '--score', 0) == 0
    predictions = {os.path.relpath(one['image'], images): one for one in read_lines(tmp_path / 'out/predictions.jsonl')}
    assert list(predictions) == ['0.png', '1.png', '2.png', 'deeper/3.png', 'empty.jpg', 'text.jpg']
    assert predictions['empty.jpg']['error'] == 'the file is empty'
    assert predictions['text.jpg']['error'] == 'the file cannot be read: it begins like no format of images'
    assert '4 of 6 images done, 2 could not be read' in capsys.readouterr().out
    pictures = sorted(p.relative_to(tmp_path / 'out/pictures') for p in (tmp_path / 'out/pictures').rglob('*.png'))
    assert list(map(str, pictures)) == ['0.png.png', '1.png.png', '2.png.png', 'deeper/3.png.png']
    assert all(cv2.imread(str(tmp_path / 'out/pictures' / p)) is not None for p in pictures)
    one = predictions['deeper/3.png']
    if library == 'mmdet':
        assert len(one['boxes']) == len(one['scores']) == 5
        assert set(one['labels']) == {'person'}
    elif library == 'mmseg':
        labels = cv2.imread(one['segments'], cv2.IMREAD_UNCHANGED)
        assert labels.shape == (64, 64)
        assert one['shares'].get('square', 0) == pytest.approx(np.mean(labels == 1), abs=1e-6)
    elif library == 'mmpose':
        (pose,) = one['poses']
        assert pose['box'] == [0, 0, 64, 64]
        assert cv2.imread(str(tmp_path / 'out/pictures/0.png.png')).shape == (512, 512, 3)  # enlarged, to see joints
        assert len(pose['keypoints']) == len(pose['scores']) == len(one['names']) == 17
    else:
        assert one['label'] in ('left', 'right')
        assert sum(one['scores']) == pytest.approx(1, abs=1e-3)


def test_boxes_of_a_detector_go_to_a_pose_model(checkpoint, images, tmp_path):
    found = tmp_path / 'found'
    run(checkpoint('mmdet'), '--data', images, '--out', found, '--no-pictures')
    run(
        *(checkpoint('mmpose'), '--data', images, '--out', tmp_path / 'poses', '--no-pictures'),
        *('--boxes', found / 'predictions.jsonl', '--score', 0),
    )
    for boxes, poses in zip(
        read_lines(found / 'predictions.jsonl')[:4], read_lines(tmp_path / 'poses/predictions.jsonl')[:4], strict=True
    ):
        np.testing.assert_allclose([pose['box'] for pose in poses['poses']], boxes['boxes'], atol=0.01)


def test_boxes_are_found_by_the_place_of_the_image(checkpoint, images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(checkpoint('mmdet'), '--data', 'images', '--out', 'found', '--no-pictures')
    options = ('--no-pictures', '--boxes', 'found/predictions.jsonl', '--score', 0)
    (tmp_path / 'link').symlink_to(images)
    for data in (images, './images/../images', tmp_path / 'link'):
        out = tmp_path / f'poses of {Path(data).name}'
        assert run(checkpoint('mmpose'), '--data', data, '--out', out, *options) == 0
        assert [len(one['poses']) for one in read_lines(out / 'predictions.jsonl')[:4]] == [5] * 4
        shutil.rmtree(out)
    (images / 'new.png').write_bytes((images / '0.png').read_bytes())
    assert run(checkpoint('mmpose'), '--data', 'images', '--out', 'poses', *options) == 2
    assert 'has no line for 1 of 7 images, such as images/new.png; run the detector' in capsys.readouterr().err


@pytest.mark.parametrize('library', LIBRARIES)
def test_a_batch_of_mixed_sizes_is_predicted_as_each_image_alone(library, checkpoint, images, tmp_path):
    cv2.imwrite(str(images / '1.png'), np.full((48, 96, 3), 90, np.uint8))
    cv2.imwrite(str(images / '2.png'), np.full((80, 40, 3), 180, np.uint8))
    model = checkpoint(library)
    for size in (1, 3):
        assert run(model, '--data', images, '--out', tmp_path / f'{size}', '--batch-size', size, '--no-pictures') == 0
    one, three = (read_lines(tmp_path / f'{size}' / 'predictions.jsonl') for size in (1, 3))
    assert len(one) == len(three) == 6
    for alone, together in zip(one, three, strict=True):
        assert together.keys() == alone.keys()
        for key in alone.keys() - {'image', 'error', 'segments', 'names', 'label', 'labels', 'masks'}:
            np.testing.assert_equal(flat(together[key]), pytest.approx(flat(alone[key]), abs=1e-2))


def flat(value):
    """The numbers in nested lists and dicts, in order."""
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    return [number for one in value for number in flat(one)] if isinstance(value, list) else [value]


@pytest.mark.slow
def test_two_processes_answer_every_image_once(checkpoint, images, tmp_path):
    model = checkpoint('mmpretrain')
    (images / 'fifth.png').write_bytes((images / '0.png').read_bytes())  # seven: the shares differ in length
    run(model, '--data', images, '--out', tmp_path / 'alone', '--no-pictures')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    arguments = [model, '--data', images, '--out', tmp_path / 'both', '--no-pictures', '--launcher']
    place = {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port}
    # One as torchrun starts it and one as srun does; they meet in one group, and two pairs would take twice as long.
    processes = [
        start(*arguments, 'pytorch', RANK='0', WORLD_SIZE='2', LOCAL_RANK='0', **place),
        start(*arguments, 'slurm', SLURM_PROCID='1', SLURM_NTASKS='2', SLURM_LOCALID='1', **place),
    ]
    texts = [process.communicate()[0] for process in processes]
    assert [process.poll() for process in processes] == [0, 0], texts
    assert any('5 of 7 images done, 2 could not be read' in text for text in texts)
    shares = [read_lines(tmp_path / f'both/shards/0000{rank}-of-00002.jsonl') for rank in range(2)]
    assert sorted(map(len, shares)) == [3, 4]
    alone = read_lines(tmp_path / 'alone/predictions.jsonl')
    assert sorted(one['image'] for share in shares for one in share) == sorted(one['image'] for one in alone)
    assert read_lines(tmp_path / 'both/predictions.jsonl') == alone


@pytest.mark.slow
def test_killed_and_started_again(checkpoint, images, tmp_path):
    model, shard = checkpoint('mmpretrain'), tmp_path / 'out/shards/00000-of-00001.jsonl'
    for i in range(300):
        os.link(images / '1.png', images / f'copy{i:03}.png')
    arguments = [model, '--data', images, '--out', tmp_path / 'out', '--no-pictures']
    process = start(*arguments)
    while process.poll() is None and not (shard.exists() and shard.read_bytes().count(b'\n') > 5):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = [line for line in shard.read_bytes().splitlines(keepends=True) if line.endswith(b'\n')]
    assert 5 < len(before) < 300
    assert not (tmp_path / 'out/predictions.jsonl').exists()
    with shard.open('ab') as file:
        file.write(b'{"image":"cut o')  # as a kill within a write leaves it

    assert run(*arguments) == 0
    lines = shard.read_bytes().splitlines(keepends=True)
    assert lines[: len(before)] == before
    answered = [json.loads(line)['image'] for line in lines]
    assert len(answered) == len(set(answered)) == 306
    assert [one['image'] for one in read_lines(tmp_path / 'out/predictions.jsonl')] == sorted(answered, key=Path)


def test_resumed_by_another_number_of_processes(tmp_path):
    for rank, images in enumerate(('ac', 'b')):
        predictions = Predictions(tmp_path, rank, 2)
        for image in images:
            predictions.add({'image': image})
        predictions.close()
    alone = Predictions(tmp_path, 0, 1)
    assert alone.done == {'a', 'b', 'c'}
    assert merge(tmp_path, ['a', 'b', 'c', 'd'], tmp_path / 'all.jsonl') is None
    alone.add({'image': 'd', 'error': 'the file is empty'})
    assert merge(tmp_path, ['a', 'b', 'c', 'd'], tmp_path / 'all.jsonl') == {'d': 'the file is empty'}
    assert [one['image'] for one in read_lines(tmp_path / 'all.jsonl')] == ['a', 'b', 'c', 'd']
    with pytest.raises(ValueError, match='another run is writing'):
        Predictions(tmp_path, 0, 1)
    alone.close()


def test_a_folder_keeps_to_one_model(checkpoint, images, tmp_path, capsys):
    out = ('--out', images / 'out')
    assert run(checkpoint('mmpretrain'), '--data', images, *out) == 0
    capsys.readouterr()
    assert run(checkpoint('mmpretrain'), '--data', images, *out) == 0
    assert '6 images, 6 of them already done' in capsys.readouterr().out  # the pictures drawn are not among them
    assert run(checkpoint('mmseg'), '--data', images, *out) == 2
    assert 'holds predictions of another model' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['x.pth', '--data', 'gone.png'], 'gone.png: no such file or folder'),
        (['{config}', '--data', '{images}'], 'mmpretrain.py is a config without weights; give'),
        (['{model}', '--data', '{images}', '--launcher', 'pytorch'], 'start the processes with torchrun'),
        (
            ['{model}', '--data', '{images}', '--launcher', 'slurm'],
            'SLURM_PROCID is not set; start the processes with',
        ),
        (['{model}', '--data', '{images}', '--boxes', 'b.jsonl'], '--boxes is for top-down pose models'),
        (['{bare}', '--data', '{images}'], 'bare.pth holds no config, so give its config'),
        (['w32', '--data', '{images}'], 'w32 has no config, whose test pipeline reads images'),
    ],
)
def test_mistakes_end_in_one_sentence(
    arguments, message, checkpoint, tiny_config, images, tmp_path, capsys, monkeypatch
):
    monkeypatch.delenv('RANK', raising=False)
    torch.save({'state_dict': {'a': torch.zeros(1)}}, tmp_path / 'bare.pth')
    places = {'images': images, 'model': checkpoint('mmpretrain'), 'bare': tmp_path / 'bare.pth'}
    places['config'] = tiny_config('mmpretrain')
    assert run(*(argument.format(**places) for argument in arguments), '--out', tmp_path / 'out') == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('import os\nos.system("touch {marker}")', 'holds more than settings (line 1)'),
        ('model = __import__("os").system("touch {marker}")', 'holds more than settings (line 1)'),
        ('default_scope = "evil"', "is for 'evil'"),
        (
            'default_scope = "mmdet"\nmodel = dict(type="subprocess.Popen", args=["touch", "{marker}"])',
            'not registered',
        ),
        ('default_scope = "mmdet"\nmodel = dict(type="mmengine.load", file="{marker}.pkl")', 'not registered'),
        ('default_scope = "mmdet"\nmodel = dict(type="torch.nn.init.os.system")', 'not registered'),
        ('default_scope = "mmdet"\nmodel = dict(type="torch.nn.Parameter")', 'not registered'),
        (
            'default_scope = "mmpose"\ntest_dataloader = dict(dataset=dict(metainfo=dict(from_file="/tmp/x.py")))',
            'runs /tmp',
        ),
        ('model = (', 'is not Python'),
    ],
)
def test_a_config_inside_a_checkpoint_cannot_run_code(text, reason, tmp_path):
    marker = tmp_path / 'marker'
    with pytest.raises(ValueError, match='the config inside the checkpoint') as error:
        stored_config({'meta': {'cfg': text.format(marker=marker)}})
    assert reason in str(error.value)
    assert 'give the config that you trust, and the checkpoint as its weights' in str(error.value)
    assert not marker.exists()


def test_modules_of_others_are_not_imported():
    text = 'default_scope = "mmdet"\ncustom_imports = dict(imports=["antigravity"])\nmodel = dict(type="FasterRCNN")'
    assert stored_config({'meta': {'cfg': text}}).model.type == 'FasterRCNN'
    assert 'antigravity' not in sys.modules


def test_the_class_of_a_data_set_matters_only_without_its_metadata():
    text = (
        'default_scope = "mmseg"\n'
        'test_dataloader = dict(dataset=dict(type="RepeatDataset", dataset=dict(type="ConcatDataset", datasets=['
        'dict(type="MyDataset", pipeline=[]), dict(type="MyDataset", metainfo=dict(from_file="/my/file.py"))])))'
    )
    with pytest.raises(ValueError, match="the type 'MyDataset', which is not registered"):
        stored_config({'meta': {'cfg': text}})
    stored = stored_config({'meta': {'cfg': text, 'dataset_meta': {'classes': ('wall', 'crack')}}})
    assert stored.test_dataloader == {'dataset': {'dataset': {'datasets': [{'pipeline': []}, {}]}}}


def test_types_of_new_style_configs_are_paths_of_classes():
    text = (
        'model = dict(type="mmseg.models.EncoderDecoder", '
        'norm_cfg=dict(type="torch.nn.modules.batchnorm.BatchNorm2d"), act_cfg=dict(type="torch.nn.ReLU"))'
    )
    model = stored_config({'meta': {'cfg': text}}).model
    assert [model.type, model.norm_cfg.type, model.act_cfg.type] == [
        'mmseg.EncoderDecoder',
        'torch.nn.BatchNorm2d',
        'torch.nn.ReLU',
    ]


def test_the_first_of_several_data_sets_reads_the_images(checkpoint, tiny_config, images, tmp_path, capsys):
    config = Config.fromfile(tiny_config('mmpretrain'))
    model = checkpoint('mmpretrain')
    assert run(model, '--data', images / '0.png', '--out', tmp_path / 'one') == 0
    dataset = config.test_dataloader.dataset
    config.test_dataloader.dataset = {'type': 'ConcatDataset', 'datasets': [dataset, dataset]}
    config.dump(tmp_path / 'several.py')
    assert run(tmp_path / 'several.py', '--weights', model, '--data', images / '0.png', '--out', tmp_path / 'two') == 0
    one, two = ((tmp_path / name / 'predictions.jsonl').read_text() for name in ('one', 'two'))
    assert one == two
    config.test_dataloader = None
    config.dump(tmp_path / 'none.py')
    assert run(tmp_path / 'none.py', '--weights', model, '--data', images / '0.png', '--out', tmp_path / 'three') == 2
    assert 'none.py has no test_dataloader' in capsys.readouterr().err


@pytest.mark.parametrize('library', LIBRARIES)
def test_a_stored_config_is_the_same(library, tiny_config):
    config = Config.fromfile(tiny_config(library))
    stored = stored_config({'meta': {'cfg': config.pretty_text}})
    for name in ('model', 'test_dataloader', 'visualizer', 'default_scope'):
        assert stored[name] == config[name]
