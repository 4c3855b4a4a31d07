"""Trained weights are complete: every command opens them, moved to another folder, without the config."""

import json
import shutil
import struct
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from own_folders import dump, edit, write_animals_deeplabcut, write_classes, write_regions

import hrnet_mm
from hrnet_mm.cli import main
from hrnet_mm.fast import accelerate
from hrnet_mm.inference import open_network
from hrnet_mm.inference.open import _meta_of, data_set
from hrnet_mm.tasks import TASKS, config_of, config_path
from hrnet_mm.tasks.base import steps
from hrnet_mm.tracking.posetrack import EVALUATED
from hrnet_mm.training import runs
from hrnet_mm.training.worker import train_and_test
from hrnet_mm.weights import CheckpointError, ModelSpec, read_checkpoint, read_spec, write_checkpoint

IMAGES = {
    'pose': 'images/0.png',
    'faces': 'labeled-data/video/img0.png',
    'instances': 'images/0.png',
    'segmentation': 'images/0.png',
    'classification': 'dark/0.png',
}
SIZES = {  # of the inputs, and by which number images are resized to them
    'pose': ([160, 160], 'box_padding'),
    'faces': ([160, 160], 'box_padding'),
    'instances': ([256, 256], 'scale_factor'),
    'segmentation': ([256, 256], 'scale_factor'),
    'classification': ([64, 64], 'shorter_side'),
}
LABELS = {
    'pose': EVALUATED,
    'faces': ['left_ear', 'right_ear', 'tail'],
    'instances': ['square', 'person'],
    'segmentation': ['background', 'square', 'person'],
    'classification': ['dark', 'light'],
}


def write_persons(folder):
    """Ten images of noise with the joints that PoseTrack evaluates at random places."""
    (folder / 'images').mkdir(parents=True)
    random = np.random.default_rng(0)
    images, annotations = [], []
    for index in range(10):
        cv2.imwrite(str(folder / 'images' / f'{index}.png'), random.integers(0, 255, (64, 64, 3), dtype=np.uint8))
        images.append({'id': index, 'file_name': f'{index}.png', 'width': 64, 'height': 64})
        values = [value for x, y in random.uniform(8, 56, (len(EVALUATED), 2)) for value in (x, y, 2)]
        one = {'id': index + 1, 'image_id': index, 'category_id': 1, 'bbox': [0, 0, 64, 64], 'keypoints': values}
        annotations.append(one)
    category = {'id': 1, 'name': 'person', 'keypoints': EVALUATED, 'skeleton': [[1, 2], [2, 3]]}
    dump(folder, 'annotations', images, annotations, [category])
    return folder


def write_objects(folder):
    write_regions(folder)
    for part in ('train', 'val'):
        edit(part, lambda coco: coco['categories'][0].update(name='person'))(folder)
    return folder


WRITE = {
    'pose': write_persons,
    'faces': write_animals_deeplabcut,
    'instances': write_objects,
    'segmentation': write_objects,
    'classification': write_classes,
}


def train_all(folder):
    """Train each task for one step on images in `TASK/my mice`; its outputs go to `TASK/out`."""

    def run(job, console):
        job.work_dir.mkdir(parents=True)
        return train_and_test(job, lambda progress: None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, '_run', run)
        for task, write in WRITE.items():
            data = write(folder / task / 'my mice')
            argv = ['train', task, '--data', str(data), '--arch', 'test-w8', '--epochs', '1', '--seed', '1']
            assert main([*argv, '--work-dir', str(folder / task / 'out')]) == 0


@pytest.fixture
def trained(made_once, tmp_path, monkeypatch):
    """A function from a task to an image, the weights moved to the current folder, and its config."""
    folder = made_once('weights_of_five_tasks', train_all)
    monkeypatch.chdir(tmp_path)

    def get(task):
        weights = Path(f'{task}.pth')
        shutil.copy(folder / task / 'out' / task / 'weights.pth', weights)
        return folder / task / 'my mice' / IMAGES[task], weights, folder / task / 'out' / task / f'{task}_my_mice.py'

    return get


def run(*arguments):
    return main([str(argument) for argument in arguments])


def predictions(out):
    (line,) = (out / 'predictions.jsonl').read_text().splitlines()
    prediction = json.loads(line)
    if 'segments' in prediction:
        prediction['segments'] = cv2.imread(prediction['segments'], cv2.IMREAD_UNCHANGED).tolist()
    return prediction


pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2


@pytest.mark.slow
@pytest.mark.parametrize('task', TASKS)
def test_every_command_opens_weights_alone(task, trained, capsys):
    image, weights, config = trained(task)
    assert run('convert', weights, '--out', f'{task}.safetensors') == 0
    safetensors = Path(f'{task}.safetensors')
    assert read_spec(safetensors) == read_spec(weights)

    assert run('predict', weights, '--data', image) == 0  # to work_dirs/predict
    assert run('predict', safetensors, '--data', image) == 0  # another file, hence to work_dirs/predict_2
    assert run('predict', config, '--weights', weights, '--data', image, '--out', 'by_config') == 0
    found = predictions(Path('by_config'))
    assert predictions(Path('work_dirs/predict')) == predictions(Path('work_dirs/predict_2')) == found
    assert cv2.imread(str(next(Path('work_dirs/predict/pictures').iterdir()))).std() > 5

    capsys.readouterr()
    for file in (weights, safetensors):
        assert run('streams', file, '--data', image, '--out', 'streams.png') == 0
        assert run('verify-checkpoint', file) == 0
    out = capsys.readouterr().out
    assert out.count('complete   the checkpoint has every key') == 2
    assert f'trained    {task} on {TASKS[task].readout}_test-w8, input {SIZES[task][0][0]}x' in out

    example = torch.randn(1, 3, 64, 64)
    model = hrnet_mm.create_model(safetensors)
    fast = accelerate(open_network(safetensors).as_tensors(), example, engine='eager')
    assert fast.report.difference < 1e-5
    if task != 'instances':  # whose network by name is the pyramid alone
        expected, output = fast(example), model(example)
        expected = expected[0] if isinstance(expected, tuple | list) else expected
        torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-6)
    else:
        assert {maps.shape[1] for maps in model(example)} == {64}


@pytest.mark.slow
@pytest.mark.parametrize('task', TASKS)
def test_exports_say_what_they_are(task, trained, capsys):
    _, weights, _ = trained(task)
    assert run('export', weights, '--out', 'network.onnx') == 0
    model = onnx.load('network.onnx')
    (properties,) = model.metadata_props
    spec = json.loads(properties.value)
    assert properties.key == 'hrnet_mm'
    assert spec == read_spec(weights).to_json()
    size, way = SIZES[task]
    assert spec['input_size'] == size == [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[2:]]
    assert list(spec['resize']) == [way]
    assert spec['classes' if way != 'box_padding' else 'keypoints'] == list(LABELS[task])
    assert spec.get('skeleton', []) == ([[0, 1], [1, 2]] if task == 'pose' else [])
    assert 'warning' not in capsys.readouterr().err
    assert run('export', weights, '--out', 'network.pt2', '--size', 96, 128) == 0
    extra = {'hrnet_mm.json': ''}
    torch.export.load('network.pt2', extra_files=extra)
    assert json.loads(extra['hrnet_mm.json']) == {**spec, 'input_size': [96, 128]}
    sentence = f'--size 96 128 is not the size that the network was trained at, {size[0]} {size[1]}'
    assert (sentence in capsys.readouterr().err) == (way != 'scale_factor')


@pytest.mark.slow
def test_other_runtimes_get_a_file_beside_theirs_or_a_place_in_it(trained):
    openvino = pytest.importorskip('openvino')
    _, weights, _ = trained('pose')
    assert run('export', weights, '--out', 'network.xml') == 0
    info = openvino.Core().read_model('network.xml').get_rt_info('hrnet_mm')
    assert json.loads(info.astype(str))['keypoints'] == list(EVALUATED)
    pytest.importorskip('MNN')
    assert run('export', weights, '--out', 'network.mnn') == 0
    assert json.loads(Path('network.mnn.json').read_text()) == read_spec(weights).to_json()


@pytest.mark.slow
def test_tracks_come_from_two_files_of_weights(trained, capsys):
    image, pose, _ = trained('pose')
    _, detector, _ = trained('instances')
    assert run('track', pose, '--data', image.parent, '--detector', detector, '--flow', 'none', '--frames') == 0
    assert '10 frames, ' in capsys.readouterr().out
    _, faces, _ = trained('faces')
    assert run('track', faces, '--data', image.parent, '--detector', detector) == 2
    assert 'which are not among left_ear, right_ear, tail; give a network of the joints' in capsys.readouterr().err


@pytest.mark.slow
def test_files_have_the_names_of_the_task_and_the_folder(trained):
    for task in TASKS:
        _, _, config = trained(task)
        assert config.is_file()
        assert (config.parents[1] / f'{task}_my_mice.png').is_file()


@pytest.mark.slow
def test_a_layout_of_another_program_keeps_no_specification(trained, capsys):
    _, weights, _ = trained('classification')
    assert run('convert', weights, '--out', 'timm.safetensors', '--to', 'timm') == 0
    assert 'dropped the model specification' in capsys.readouterr().out
    assert read_spec('timm.safetensors') is None
    assert run('convert', weights, '--out', 'x.pth', '--backbone-only') == 2
    assert 'need --to LAYOUT' in capsys.readouterr().err


@pytest.mark.parametrize('task', TASKS)
def test_the_demonstrations_specification_is_its_config(task):
    """A network of the demonstration is built from its specification as from the config that trained it."""
    from hrnet_mm.engine import read_config

    config = read_config(config_path(task))
    spec = TASKS[task].describe(task, config, _meta_of(data_set(config), config.default_scope))
    built = config_of(ModelSpec.from_json(json.loads(json.dumps(spec.to_json()))))
    for step in steps(config.test_dataloader, 'GetBBoxCenterScale'):
        step.padding = 1.25  # mmpose's default
    reader, *rest = config.test_dataloader.dataset.pipeline
    assert reader.type in ('LoadImage', 'LoadImageFromFile')  # in its place is the reader that checks what it reads
    assert built.test_dataloader.dataset.pipeline == [{'type': 'hrnet_mm.LoadImageBands'}, *rest]
    preprocessor = dict(config.model.get('data_preprocessor') or config.data_preprocessor)
    found = dict(built.model.get('data_preprocessor') or built.data_preprocessor)
    order = TASKS[task].swap_channels
    assert found.pop(order) == preprocessor.pop(order, False)
    assert found == preprocessor
    for part in config.model.keys() - {'data_preprocessor'}:
        expected = {**config.model[part], 'in_channels': 3} if part == 'backbone' else config.model[part]
        assert built.model[part] == expected, part


@pytest.fixture
def hostile(tmp_path):
    """A function that writes weights of a small pose network with changed fields of their specification."""
    model = hrnet_mm.create_model('hrnetv1_test-w4', num_classes=2)
    spec = ModelSpec(
        'pose', 'hrnetv1_test-w4', (64, 64), (0,) * 3, (1,) * 3, {'box_padding': 1.25}, keypoints=('a', 'b')
    )

    def write(suffix='.safetensors', **changes):
        values = {name: value for name, value in {**spec.to_json(), **changes}.items() if value is not ...}
        return write_checkpoint(tmp_path / f'w{suffix}', model.state_dict(), spec=values)

    return write


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'version': 2}, 'has the version 2, and this hrnet_mm reads up to 1; install a newer hrnet_mm'),
        ({'version': '1'}, 'has the version 1; expected a whole number from 1'),
        ({'version': 10**600}, 'has the version 1000000'),
        ({'version': ...}, 'has the version null; expected a whole number from 1'),
        ({'task': ...}, 'lacks the field task; expected task, network, input_size'),
        ({'task': 'poses'}, "has the task 'poses'; did you mean 'pose'?"),
        ({'task': {'a': 1}}, 'has the task {"a": 1}; expected the name of a task'),
        ({'task': 'segmentation'}, 'has the network hrnetv1_test-w4; the task segmentation expects hrnetv2_ARCH'),
        ({'network': 'hrnetv1_w9999999'}, 'but the weights are of another architecture'),
        ({'network': 'hrnetv1_x'}, "unknown arch 'x'"),
        ({'network': 'os.system'}, "unknown arch ''"),
        (
            {'input_size': [64, 10**9]},
            '[64, 1000000000]; expected two whole numbers from 1 to 16384',
        ),
        ({'input_size': [64.5, 64]}, 'expected two whole numbers'),
        ({'input_size': [True, 64]}, 'expected two whole numbers'),
        ({'mean': [0, 0, float('nan')]}, 'has the mean [0, 0, NaN]; expected a number for each channel'),
        ({'mean': [0] * 4}, '4 means and 3 stds'),
        ({'std': [0, 0, 0]}, 'expected a number above 0 for each channel'),
        ({'std': 'abc'}, 'has the std abc'),
        ({'resize': {'scale_factor': 1e9}}, 'expected none or one of box_padding (0.1 to 10)'),
        ({'resize': {'scale_factor': 2.0}}, 'the task pose expects box_padding'),
        ({'keypoints': ['a', 'a']}, 'has the keypoints ["a", "a"]; expected different names'),
        ({'keypoints': ...}, 'has no keypoints, which the task pose needs'),
        ({'keypoints': ['a' * 2000]}, 'expected different names'),
        ({'keypoints': list(map(str, range(70000)))}, 'expected different names'),
        ({'keypoints': ['a', 'b', 'c']}, 'does not fit the network'),
        ({'skeleton': [[0, 2]]}, 'has the skeleton [[0, 2]]; expected numbers below 2, of the keypoints'),
        ({'flip_pairs': [[0, -1]]}, 'expected pairs of whole numbers'),
        ({'sigmas': [0.1]}, '2 keypoints, 1 sigmas'),
        ({'channel_order': 'RGBD'}, 'expected RGB or BGR'),
        ({'calibration': {'temperature': float('inf')}}, 'expected numbers, or lists of numbers, by name'),
        (
            {'custom_imports': ['os']},
            'has the unknown field custom_imports; expected bands, calibration, channel_order',
        ),
    ],
)
@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
def test_hostile_specifications_are_one_sentence(hostile, changes, message, suffix, capsys, monkeypatch):
    file = hostile(suffix, **changes)
    assert run('export', file, '--out', 'never.onnx') == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith(f'hrnet-mm export: {file}')
    assert error.count('\n') == 1
    assert len(error) < 700


@pytest.mark.parametrize('text', ['{', '[' * 100_000, '[1]', '1' * 5000, '"os"', 'NaN'])
def test_headers_that_are_no_specification_are_one_sentence(tmp_path, text):
    state = hrnet_mm.create_model('hrnetv1_test-w4', num_classes=2).state_dict()
    file = write_checkpoint(tmp_path / 'w.safetensors', state, {'hrnet_mm': text})
    with pytest.raises(CheckpointError, match=r'w\.safetensors'):
        open_network(file)


def test_calibration_is_kept(hostile):
    calibration = {'temperature': 1.5, 'radius_90': [2.0, 3.5]}
    opened = open_network(hostile(calibration=calibration))
    assert opened.spec.calibration == calibration
    assert opened.spec.to_json()['calibration'] == calibration
    assert open_network(hostile()).spec.calibration is None


def test_the_header_of_a_file_is_text(hostile):
    content = hostile().read_bytes()
    (length,) = struct.unpack('<Q', content[:8])
    header = json.loads(content[8 : 8 + length])['__metadata__']
    assert json.loads(header['hrnet_mm'])['keypoints'] == ['a', 'b']
    assert set(read_checkpoint(hostile())) == {'state_dict', 'hrnet_mm'}
