"""Networks of bands: their config, weights and predictions for every task, and stems of other channels."""

import json

import cv2
import numpy as np
import pytest
import tifffile
import torch
from mmengine.registry import MODELS, DefaultScope

from hrnet_mm import create_model
from hrnet_mm.cli import main
from hrnet_mm.errors import UserError
from hrnet_mm.inference import Predictor, open_network
from hrnet_mm.inference.predictor import UnreadableError
from hrnet_mm.tasks import TASKS, config_of
from hrnet_mm.weights import ModelSpec, write_checkpoint
from hrnet_mm.weights.load import adapt_stem

RANDOM = np.random.default_rng(0)
FIELDS = {
    'pose': {'input_size': (64, 64), 'resize': {'box_padding': 1.25}, 'keypoints': ('a', 'b'), 'sigmas': (0.05,) * 2},
    'faces': {'input_size': (64, 64), 'resize': {'box_padding': 1.25}, 'keypoints': ('a', 'b'), 'sigmas': (0.05,) * 2},
    'instances': {'input_size': (256, 256), 'resize': {'scale_factor': 1.0}, 'classes': ('cell',), 'masks': True},
    'segmentation': {'input_size': (256, 256), 'resize': {'scale_factor': 1.0}, 'classes': ('no', 'yes')},
    'classification': {'input_size': (64, 64), 'resize': {'shorter_side': 73}, 'classes': ('cat', 'dog')},
}


def spec_of(task, numbers, count=5, dtype='uint16'):
    channels = len(numbers)
    return ModelSpec(
        task=task,
        network=f'{TASKS[task].readout}_w18-small-v1',
        mean=tuple(2000.0 + i for i in range(channels)),
        std=tuple(1000.0 + i for i in range(channels)),
        value_range=((0.0, 4095.0),) * channels,
        bands=numbers,
        file_bands=count,
        pixel_type=dtype,
        **FIELDS[task],
    )


@pytest.fixture
def image(tmp_path):
    """A file of five bands of 12 bits."""
    file = tmp_path / 'image.tif'
    pixels = RANDOM.integers(0, 4096, (64, 64, 5)).astype(np.uint16)
    tifffile.imwrite(file, pixels, photometric='minisblack', planarconfig='contig')
    return file


def save(spec, path):
    config = config_of(spec)
    settings = dict(config.model)
    if 'data_preprocessor' in config:
        settings['data_preprocessor'] = config.data_preprocessor
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(settings)
    return write_checkpoint(path, model.state_dict(), spec=spec.to_json())


@pytest.mark.parametrize('numbers', [(4,), (4, 2), (5, 1, 2), (4, 3, 2, 1, 5)])
@pytest.mark.parametrize('task', TASKS)
def test_every_task_reads_its_bands(task, numbers, image, tmp_path):
    spec = spec_of(task, numbers)
    assert ModelSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    opened = open_network(save(spec, tmp_path / 'weights.safetensors'))
    assert opened.in_channels == len(numbers)
    predictor = Predictor(opened)
    (one,) = predictor.prepare(image)
    inputs = opened.network.data_preprocessor({key: [value] for key, value in one.items()})['inputs']
    if task in ('instances', 'segmentation'):  # which resize by 1
        stored = tifffile.imread(image).astype(np.float32)
        expected = [(stored[..., n - 1] - spec.mean[i]) / spec.std[i] for i, n in enumerate(numbers)]
        np.testing.assert_allclose(inputs[0].numpy(), expected, rtol=1e-6, atol=1e-6)
    assert inputs.shape[1] == len(numbers)
    samples = predictor.predict([one])
    predictor.draw(image, samples, 0.3, tmp_path / 'drawn.png')
    assert cv2.imread(str(tmp_path / 'drawn.png')) is not None


def test_other_files_are_refused_with_both_kinds(image, tmp_path, capsys):
    weights = save(spec_of('classification', (4, 1, 3)), tmp_path / 'weights.safetensors')
    predictor = Predictor(open_network(weights))
    cv2.imwrite(str(tmp_path / 'picture.png'), np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(UnreadableError, match=r'has 3 bands of uint8, and the network was trained on bands 4,1,3 of 5'):
        predictor.prepare(tmp_path / 'picture.png')
    data = [str(image), str(tmp_path / 'picture.png')]
    assert main(['predict', str(weights), '--data', *data, '--out', str(tmp_path / 'out')]) == 0
    printed = capsys.readouterr()
    assert 'pictures show bands 4,1,3 as red, green and blue' in printed.out
    assert '1 of 2 images done' in printed.out
    assert main(['streams', str(weights), '--data', data[1], '--out', str(tmp_path / 's.png')]) == 2
    assert main(['streams', str(weights), '--data', data[0], '--out', str(tmp_path / 's.png')]) == 0


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_windows_are_of_the_bands_that_were_trained_on(dtype, image, tmp_path, capsys):
    weights = save(spec_of('segmentation', (4, 1, 3)), tmp_path / 'weights.safetensors')
    other = tmp_path / 'other.tif'
    tifffile.imwrite(other, np.zeros((64, 64, 5), dtype), photometric='minisblack', planarconfig='contig')
    options = ['--out', str(tmp_path / 'out'), '--window', '32', '--overlap', '0']
    assert main(['predict', str(weights), '--data', str(image), str(other), *options]) == 0
    printed = capsys.readouterr()
    assert 'by windows of' in printed.out
    assert '1 of 2 images done' in printed.out
    assert f'has 5 bands of {np.dtype(dtype)}, and the network was trained on bands 4,1,3 of 5, uint16' in printed.err


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'bands': [1, 1]}, 'bands'),
        ({'bands': [0, 1]}, 'bands'),
        ({'bands': [1, 9]}, 'expected bands of the file'),
        ({'bands': [1]}, 'a mean and a std for each channel'),
        ({'value_range': [0, 255]}, 'two numbers for each'),
        ({'pixel_type': 'object'}, 'pixel_type'),
        ({'file_bands': -1}, 'file_bands'),
    ],
)
def test_specifications_of_impossible_bands(change, message):
    values = spec_of('classification', (4, 1)).to_json()
    with pytest.raises(ValueError, match=message):
        ModelSpec.from_json(values | change)


@pytest.mark.parametrize('channels', [1, 2, 4, 5, 8])
def test_stems_are_adapted_as_in_timm(channels, tmp_path):
    adapt_input_conv = pytest.importorskip('timm.models').adapt_input_conv
    weights = create_model('hrnetv1_test-w8', num_classes=2).state_dict()
    file = write_checkpoint(tmp_path / 'rgb.safetensors', weights)
    model = create_model('hrnetv1_test-w8', pretrained=file, num_classes=2, in_channels=channels)
    stem = weights['backbone.conv1.weight']
    assert torch.equal(model.backbone.conv1.weight, adapt_input_conv(channels, stem))
    assert adapt_stem({'conv1.weight': stem}, 3)[1] == ''


@pytest.mark.parametrize('text', ['', '0,1', 'red', '1,,2', '1;2', '-1', '1.5'])
def test_bands_that_are_no_numbers(text, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(['train', 'classification', '--data', str(tmp_path), f'--bands={text}'])
    assert stop.value.code == 2
    assert 'expected whole numbers from 1, as in 4,3,2,8' in capsys.readouterr().err


def test_bands_of_a_config(capsys):
    assert main(['train', 'config.py', '--bands', '1,2']) == 2
    assert '--bands chooses bands of the images of --data' in capsys.readouterr().err
    assert issubclass(UnreadableError, UserError)
