"""Odd and damaged training data through the real pipelines of the four libraries: right, or refused by name."""

import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, RUNNERS, init_default_scope

from hrnet_mm.engine.samples import BadSampleError

_spec = importlib.util.spec_from_file_location('fault_data', Path(__file__).parent / 'fault_data.py')
fault_data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fault_data)
READABLE, DAMAGED = fault_data.READABLE, fault_data.DAMAGED

LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')
# mmpose leaves out boxes of less than a pixel; mmseg's LoadAnnotations fails on a label of one pixel.
READABLE_BY = {library: READABLE[:-1] if library in ('mmseg', 'mmpose') else READABLE for library in LIBRARIES}
# One size for images of any; the pose pipeline has it by its affine transform.
RESIZE = {
    'mmdet': {'type': 'Resize', 'scale': (64, 64), 'keep_ratio': False},
    'mmseg': {'type': 'Resize', 'scale': (64, 64), 'keep_ratio': False},
    'mmpretrain': {'type': 'Resize', 'scale': (64, 64)},
}


@pytest.fixture
def make_config(quick, tiny_config, tmp_path, monkeypatch):
    """The tiny config of a library on a folder of `images` by name, as for `fault_data.write_data`."""

    def make(library, images, data='data', **hook):
        path = tiny_config(library)
        monkeypatch.setenv('TINY_DATA', str(fault_data.write_data(tmp_path / data, images)))
        config = Config.fromfile(path)
        dataset = config.train_dataloader.dataset
        if library in RESIZE:
            pipeline = [step for step in dataset.pipeline if step.type != 'Resize']
            pipeline.insert(-1, RESIZE[library])
            dataset.pipeline = pipeline
        if library == 'mmseg':
            dataset.update(ann_file='names.txt', img_suffix='.img')
        if library == 'mmpretrain':
            config.train_dataloader.collate_fn = {'type': 'default_collate'}
        config.test_dataloader = config.test_evaluator = config.test_cfg = None
        config.runner_type = 'hrnet_mm.ReliableRunner'
        config.default_hooks = {'checkpoint': None, 'sample': {'type': 'hrnet_mm.SampleHook', **hook}}
        config.train_cfg.max_epochs = 1
        config.update(
            work_dir=str(tmp_path / 'work'), log_level='ERROR', visualizer=None, experiment_name=tmp_path.name
        )
        return config

    return make


def trained_weights(config):
    runner = RUNNERS.build(config)
    before = torch.cat([p.detach().flatten().clone() for p in runner.model.parameters()])
    runner.train()
    after = torch.cat([p.detach().flatten() for p in runner.model.parameters()])
    assert after.isfinite().all()
    assert not torch.equal(before, after)
    return runner, after


@pytest.mark.slow
@pytest.mark.parametrize('library', LIBRARIES)
def test_odd_images_are_read_as_they_are_seen(library, make_config):
    config = make_config(library, dict.fromkeys(READABLE_BY[library]))
    init_default_scope(library)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    inputs = {}
    for index in range(len(dataset)):
        sample = dataset[index]
        inputs[Path(sample['data_samples'].img_path).stem] = sample['inputs'].float()
    assert set(inputs) == set(READABLE_BY[library])
    tolerance = {'cmyk': 6, 'turned': 2, 'huge': 2}  # of 256: JPEG, and CMYK's four inks
    for name in ('cmyk', 'turned', 'huge'):
        assert (inputs[name] - inputs['plain']).abs().mean() < tolerance[name], name
    assert torch.equal(inputs['gray16'], inputs['gray'])
    assert inputs['huge'].shape == inputs['plain'].shape
    if 'pixel' in inputs:
        assert inputs['pixel'].flatten(1).unique(dim=1).shape == (3, 1)  # one colour


@pytest.mark.slow
@pytest.mark.parametrize(('library', 'num_workers'), [*((library, 0) for library in LIBRARIES), ('mmpretrain', 2)])
def test_damaged_images_are_skipped_by_name_and_counted(library, num_workers, make_config, tmp_path):
    names = [*READABLE[:5], *DAMAGED]
    config = make_config(library, dict.fromkeys(names), on_bad_sample='skip', max_bad_samples=3)
    config.train_dataloader.num_workers = num_workers
    config.log_level = 'WARNING'
    runner, _ = trained_weights(config)
    printed = next((tmp_path / 'work').rglob('*.log')).read_text()
    for name in DAMAGED:
        assert f'{name}.img' in printed, printed
    assert printed.count('cannot be read') >= 3
    assert '3 of 8 training samples could not be read and were skipped so far' in printed
    assert runner.iter == 4


@pytest.mark.parametrize(
    ('library', 'name'), [*(('mmdet', name) for name in DAMAGED), *((library, 'empty') for library in LIBRARIES[1:])]
)
def test_a_damaged_image_fails_with_its_path(library, name, make_config):
    config = make_config(library, {name: None, 'plain': None})
    with pytest.raises(BadSampleError, match=rf'training sample 0 \(img_path=\S+/images/{name}\.img.* cannot be read'):
        RUNNERS.build(config).train()


def test_a_damaged_image_fails_with_its_path_from_a_worker(make_config):
    config = make_config('mmpretrain', {'empty': None, 'plain': None})
    config.train_dataloader.num_workers = 1
    with pytest.raises(BadSampleError, match=r'images/empty\.img'):
        RUNNERS.build(config).train()


@pytest.mark.slow
def test_a_label_of_one_pixel_fails_with_its_path(make_config):
    config = make_config('mmseg', {'plain': None, 'pixel': None})
    with pytest.raises(BadSampleError, match=r'images/pixel\.img'):
        RUNNERS.build(config).train()


@pytest.mark.slow
def test_a_damaged_label_fails_with_its_path(make_config, tmp_path):
    config = make_config('mmseg', {'plain': None, 'gray': None})
    (tmp_path / 'data' / 'labels' / 'gray.png').write_bytes(b'')
    with pytest.raises(BadSampleError, match=r'seg_map_path=\S+/labels/gray\.png'):
        RUNNERS.build(config).train()


@pytest.mark.slow
def test_skipping_has_a_limit(make_config):
    names = dict.fromkeys([*READABLE[:5], *DAMAGED])
    config = make_config('mmpretrain', names, on_bad_sample='skip', max_bad_samples=2)
    with pytest.raises(BadSampleError, match='which makes 3 bad ones of 8; max_bad_samples=2'):
        RUNNERS.build(config).train()


def test_a_data_set_of_nothing_else_does_not_go_round_for_ever(make_config):
    config = make_config('mmpretrain', dict.fromkeys(DAMAGED[:2]), on_bad_sample='skip', max_bad_samples=9)
    with pytest.raises(BadSampleError, match='which makes 2 bad ones of 2'):
        RUNNERS.build(config).train()


@pytest.mark.slow
def test_skipping_does_not_depend_on_workers(make_config):
    weights = []
    for num_workers in (0, 2):
        images = dict.fromkeys([*READABLE[:5], *DAMAGED])
        config = make_config('mmpretrain', images, f'data{num_workers}', on_bad_sample='skip')
        config.train_dataloader.num_workers = num_workers
        weights.append(trained_weights(config)[1])
    assert torch.equal(*weights)


OUTSIDE = [-40.0, -30.0, 20.0, 20.0]
ANNOTATIONS = {
    'no object': [],
    'box outside': [fault_data.annotation(64, 48, bbox=OUTSIDE)],
    'box without area': [fault_data.annotation(64, 48, bbox=[10.0, 10.0, 0.0, 5.0])],
    'box partly outside': [fault_data.annotation(64, 48, bbox=[40.0, 30.0, 100.0, 100.0])],
    'polygon of two points': [fault_data.annotation(64, 48, segmentation=[[1.0, 1.0, 5.0, 5.0]])],
    'polygon without area': [fault_data.annotation(64, 48, segmentation=[[1.0, 1.0] * 4])],
    'no keypoint visible': [fault_data.annotation(64, 48, keypoints=[0] * 51, num_keypoints=0)],
    'keypoints outside': [fault_data.annotation(64, 48, keypoints=[900.0, -900.0, 2] * 17)],
}


@pytest.mark.slow
@pytest.mark.parametrize(('library', 'left_out'), [('mmdet', 0), ('mmpose', 4)])
def test_odd_annotations_train(library, left_out, make_config):
    """mmdet keeps the images; mmpose leaves out those without an object, a box of some size, or a visible keypoint."""
    images = {name.replace(' ', '-'): annotations for name, annotations in ANNOTATIONS.items()}
    config = make_config(library, images)
    if library == 'mmdet':
        load = {'type': 'LoadAnnotations', 'with_bbox': True, 'with_mask': True, 'poly2mask': False}
        config.train_dataloader.dataset.pipeline[1] = load
        config.train_dataloader.dataset.filter_cfg = {'filter_empty_gt': False}
    assert trained_weights(config)[0].iter * 2 == len(images) - left_out


@pytest.mark.parametrize('library', LIBRARIES)
def test_an_empty_data_set(library, make_config):
    with pytest.raises(ValueError, match=r'the data set has no samples: .* \(.*Dataset, data_root=.*, ann_file='):
        RUNNERS.build(make_config(library, {})).train()


@pytest.mark.slow
def test_an_empty_data_set_among_others(make_config, tmp_path):
    config = make_config('mmpose', {'plain': None})
    dataset, empty = config.train_dataloader.dataset, tmp_path / 'data' / 'empty.json'
    empty.write_text('{"images": [], "annotations": [], "categories": []}')
    parts = [{**dataset, 'pipeline': []}, {**dataset, 'pipeline': [], 'ann_file': empty.name}]
    config.train_dataloader.dataset = {
        'type': 'CombinedDataset',
        'metainfo': {'from_file': 'configs/_base_/datasets/coco.py'},
        'datasets': parts,
        'pipeline': dataset.pipeline,
    }
    with pytest.raises(ValueError, match=r'the data set has no samples: .* \(CocoDataset, .*ann_file=.*empty\.json'):
        RUNNERS.build(config).train()


def test_less_than_a_batch(make_config):
    config = make_config('mmpretrain', {'plain': None})
    config.train_dataloader.drop_last = True
    with pytest.raises(ValueError, match='the training data set has 1 samples, not enough for one batch'):
        RUNNERS.build(config).train()


def test_an_image_turned_against_its_annotation(make_config, tmp_path):
    config = make_config('mmdet', {'plain': None, 'turned': None})
    path = tmp_path / 'data' / 'annotations.json'
    path.write_text(path.read_text().replace('"width": 64, "height": 48', '"width": 48, "height": 64'))
    with pytest.raises(BadSampleError, match='for 48 x 64 pixels, the image has 64 x 48, as if only one of'):
        RUNNERS.build(config).train()
