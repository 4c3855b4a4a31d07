"""`open_network`: a name, a checkpoint or a config gives the same network, each file is read once."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from hrnet_mm.cli import main
from hrnet_mm.factory import list_models
from hrnet_mm.inference import open_network
from hrnet_mm.models import ARCHS, Arch, HRNet, HRNetModel
from hrnet_mm.weights import CheckpointError, convert, io, load, write_checkpoint

X = torch.randn(1, 3, 64, 64)


@pytest.fixture
def saved(tmp_path):
    """A function from a name to a network, and its checkpoint in a layout."""

    def make(name, layout='hrnet_mm', **settings):
        torch.manual_seed(0)
        model = HRNetModel(name, **settings)
        model.init_weights()
        path = write_checkpoint(tmp_path / f'{layout}.safetensors', convert(model.state_dict(), to=layout).state_dict)
        return model.eval(), path

    return make


@pytest.fixture
def classifier(tiny_config, tmp_path):
    """The tiny config of mmpretrain, a checkpoint of its model that holds the config, and one that does not."""
    file = tiny_config('mmpretrain')
    config = Config.fromfile(file)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        state = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor}).state_dict()
    meta = {'cfg': config.pretty_text, 'dataset_meta': {'classes': ['a', 'b']}}
    torch.save({'state_dict': state, 'meta': meta}, tmp_path / 'whole.pth')
    torch.save({'state_dict': state}, tmp_path / 'bare.pth')
    return file, tmp_path / 'whole.pth', tmp_path / 'bare.pth'


@pytest.mark.parametrize('name', [*ARCHS, *list_models()])
def test_every_listed_name_opens(name, monkeypatch):
    if name not in ARCHS:  # one block a branch, as the backbones are whole
        arch = name.partition('_')[2]
        stages = (replace(s, num_modules=1, num_blocks=(1,) * len(s.num_blocks)) for s in ARCHS[arch].stages)
        monkeypatch.setitem(ARCHS, arch, Arch(*stages))
    with torch.device('meta'):
        network = open_network(name, device='meta').network
    assert isinstance(network, HRNet if name in ARCHS else HRNetModel)
    assert not network.training


@pytest.mark.parametrize('layout', ['hrnet_mm', 'official-pose'])
def test_a_checkpoint_and_the_name_with_it_are_one_network(layout, saved):
    model, path = saved('hrnetv1_test-w4', layout, num_classes=5)
    for opened in (open_network(path), open_network('hrnetv1_test-w4', path)):
        assert (opened.name, opened.network.num_classes) == ('hrnetv1_test-w4', 5)
        assert opened.conversion.source == layout
        assert opened.checkpoint.path == path
        assert opened.preprocessing.size == (256, 192)
        assert f'keys loaded from {path} ({layout})' in opened.report
        assert torch.equal(opened.network(X), model(X))


def test_a_backbone_takes_the_weights_of_any_readout(saved):
    model, path = saved('hrnetv2_test-w4', num_classes=5)
    opened = open_network('test-w4', path)
    assert isinstance(opened.network, HRNet)
    assert all(map(torch.equal, opened.network(X), model.backbone.streams(X)))  # enlarged as the weights were trained


def test_a_config_and_its_checkpoint_are_one_network(classifier):
    config, whole, bare = classifier
    opened = [open_network(whole), open_network(config, bare), open_network(bare, config=config)]
    outputs = [one.as_tensors()(X) for one in opened]
    assert all(torch.equal(output[0], outputs[0][0]) for output in outputs)
    assert [list(one.metadata['classes']) for one in opened] == [['a', 'b'], ['left', 'right'], ['left', 'right']]
    assert all(one.preprocessing.mean == [128.0] * 3 and one.preprocessing.size is None for one in opened)
    assert opened[1].files == [config, bare]
    random = open_network(config)
    assert (random.checkpoint, random.report) == (None, f'{config} with random weights')


def test_exports_say_what_is_known(classifier, saved):
    """Without a model specification: what the config says, and nothing about random weights."""
    size = {'input_size': [64, 64]}
    known = open_network(classifier[1]).export_metadata((64, 64))
    normalization = {'mean': [128.0] * 3, 'std': [64.0] * 3, 'channel_order': 'BGR'}
    assert known == size | normalization | {'classes': ['a', 'b']}
    assert open_network('hrnetv1_test-w4').export_metadata((64, 64)) == size
    assert open_network(saved('hrnetv1_test-w4', num_classes=5)[1]).export_metadata((64, 64)) == size


def test_a_stored_config_can_be_left_alone(classifier):
    opened = open_network(classifier[1], use_config=False)
    assert (opened.name, opened.network.num_classes, opened.config) == ('hrnet_test-w4', 2, None)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('hrnet_w33x',), "hrnet_w33x is neither a file nor a network; did you mean 'hrnet_w3"),
        (('w33x',), r"is neither a file nor a network; did you mean 'w3.'\? hrnet-mm list shows the names"),
        (('none.pth',), 'none.pth cannot be read: No such file'),
        (('hrnetv2_w48_imagenet_pretrained.pth',), 'pretrained.pth cannot be read: No such file'),
        (('{bare}', '{whole}'), 'two checkpoints are given'),
        (('{config}', '{bare}', '{config}'), 'expected one checkpoint and one config'),
        (('none.py',), 'none.py: no such config file'),
        (('mmpose::none.py',), 'mmpose/.mim/configs/none.py: no such config file'),
    ],
)
def test_mistakes(arguments, message, classifier):
    places = dict(zip(('config', 'whole', 'bare'), classifier, strict=True))
    with pytest.raises(ValueError, match=message):
        open_network(*(argument.format(**places) for argument in arguments))


def test_classes_are_given_for_a_name_alone(classifier, saved):
    for what in classifier:
        with pytest.raises(ValueError, match='only a network by name takes it'):
            open_network(what, num_classes=3)
    with pytest.raises(
        ValueError, match=r'test-w4 is a backbone without a head; .* give one of hrnet_test-w4, hrnetv1_'
    ):
        open_network('test-w4', num_classes=3)
    _, path = saved('hrnetv1_test-w4', num_classes=5)
    assert 'head not in the checkpoint' in open_network('hrnetv1_test-w4', path, num_classes=3).report


def test_a_checkpoint_opened_alone_must_be_whole(saved, tmp_path):
    model, _ = saved('hrnetv1_test-w4', num_classes=5)
    state = model.state_dict()
    del state['head.final_layer.bias']
    write_checkpoint(tmp_path / 'part.pth', state)
    with pytest.raises(CheckpointError, match=r'the head of .* does not fit the network: 1 of 2 keys fit'):
        open_network(tmp_path / 'part.pth')


@pytest.mark.slow
@pytest.mark.parametrize('what', ['hrnetv1_test-w4', None])
def test_a_file_is_read_and_converted_once(what, saved, monkeypatch, tmp_path):
    _, path = saved('hrnetv1_test-w4', 'mmpose', num_classes=5)
    calls = []
    for module, name in ((load, 'read_checkpoint'), (load, 'convert'), (io, '_require_hash')):
        plain = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, plain=plain, name=name: (calls.append(name), plain(*a))[1])
    command = [what, '--weights', str(path)] if what else [str(path)]
    assert main(['export', *command, '--size', '64', '64', '--out', str(tmp_path / 'out.pt2')]) == 0
    assert calls == ['read_checkpoint', 'convert']


@pytest.mark.slow
@pytest.mark.parametrize('name', ['test-w4', 'hrnet_test-w4', 'hrnetv1_test-w4', 'hrnetv2_test-w4', 'hrnetv2p_test-w4'])
def test_commands_take_a_name(name, tiny_data, tmp_path, capsys):
    image, out = str(tiny_data / 'images' / '0.png'), str(tmp_path / 'out')
    assert main(['streams', name, '--data', image, '--out', f'{out}.png']) == 0
    assert main(['export', name, '--size', '64', '64', '--out', f'{out}.pt2']) == 0
    assert main(['benchmark', name, '--size', '64', '64', '--repeats', '2', '--out', f'{out}.csv']) == 0
    assert main(['info', name]) == 0
    torch.save(HRNetModel(name if '_' in name else f'hrnetv2_{name}').state_dict(), f'{out}.pth')
    assert main(['verify-checkpoint', name, '--weights', f'{out}.pth']) == 0
    assert 'complete' in capsys.readouterr().out
    assert main(['verify-checkpoint', name]) == 2
    assert 'give one, or a name with --weights FILE' in capsys.readouterr().err


@pytest.mark.parametrize(
    'line',
    [
        ['predict', 'FILE', '--data', 'images', '--out', 'out'],
        ['streams', 'FILE', '--data', 'images/0.png', '--out', 'out'],
        ['export', 'FILE', '--out', 'out.onnx'],
        ['track', 'FILE', '--data', 'images', '--boxes', 'boxes.json'],
        ['benchmark', 'FILE'],
        ['verify-checkpoint', 'FILE'],
    ],
    ids=lambda line: line[0],
)
@pytest.mark.parametrize('raw', [False, True])
def test_every_command_chooses_between_raw_and_averaged_weights(line, raw, saved, tmp_path, monkeypatch):
    asked = []

    def read(name, raw):
        asked.append(raw)
        raise CheckpointError('read no further')

    _, path = saved('hrnetv1_test-w4', num_classes=5)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'images').mkdir()
    cv2.imwrite('images/0.png', np.zeros((8, 8, 3), np.uint8))
    monkeypatch.setattr('hrnet_mm.inference.open.read_source', read)
    assert main([str(path) if word == 'FILE' else word for word in line] + ['--raw'] * raw) == 2
    assert asked == [raw]
