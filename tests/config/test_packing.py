"""What a pipeline packs of each image is compared with what the network and the metric read."""

import copy
import inspect

import pytest
from mmengine.config import Config
from mmengine.registry import TRANSFORMS, DefaultScope
from quick import quick_work

from hrnet_mm.config.packing import packing_problems
from hrnet_mm.engine import test as run_test
from hrnet_mm.engine import train
from hrnet_mm.registry import class_of

READ = {
    'mmdet': {'img_id', 'img_shape', 'ori_shape', 'scale_factor'},
    'mmpose': {'flip_indices', 'id', 'img_id', 'input_center', 'input_scale', 'input_size'},
    'mmpretrain': set(),
    'mmseg': {'img_shape', 'ori_shape'},
}


@pytest.fixture
def config(tiny_config):
    def read(library):
        config = Config.fromfile(tiny_config(library))
        if library == 'mmpose':
            config.model.test_cfg = dict(flip_test=True)
        return config

    return read


def keys_of(config, part):
    """The names of an image's metadata that are packed, those of the library by default."""
    step = config[f'{part}_dataloader'].dataset.pipeline[-1]
    with DefaultScope.overwrite_default_scope(config.default_scope):
        default = inspect.signature(class_of(step, TRANSFORMS)).parameters['meta_keys'].default
    return step.get('meta_keys', default)


def without(config, part, key):
    changed = copy.deepcopy(config)
    changed[f'{part}_dataloader'].dataset.pipeline[-1].meta_keys = [one for one in keys_of(config, part) if one != key]
    return changed


@pytest.mark.parametrize('library', READ)
def test_what_is_read_in_a_test_must_be_packed(config, library):
    good = config(library)
    assert packing_problems(good) == []
    for key in keys_of(good, 'test'):
        found = packing_problems(without(good, 'test', key))
        assert found == (
            [
                f'{found[0].partition(" lack")[0]} lack {key!r}, which the network or the metric reads of '
                'each image; add them'
            ]
            if key in READ[library]
            else []
        )


@pytest.mark.slow
@pytest.mark.parametrize('library', READ)
def test_a_library_stops_without_what_is_read(config, library, tmp_path):
    """The check's table is what the libraries do: without these keys they raise, without others they do not."""
    good = config(library)
    with quick_work():
        train(good, tmp_path, unchecked=True)
        checkpoint = (tmp_path / 'last_checkpoint').read_text()
        for key in keys_of(good, 'test'):
            changed = without(good, 'test', key)
            if key in READ[library]:
                with pytest.raises((KeyError, AssertionError)):  # mmdet asserts without a sentence
                    run_test(changed, checkpoint, tmp_path, unchecked=True)
            else:
                run_test(changed, checkpoint, tmp_path, unchecked=True)


def test_other_metrics_and_tests_need_less(config):
    pose = config('mmpose')
    pose.test_evaluator = dict(type='PCKAccuracy')
    for key in ('id', 'img_id'):
        assert packing_problems(without(pose, 'test', key)) == []
    pose.model.test_cfg.flip_test = False
    assert packing_problems(without(pose, 'test', 'flip_indices')) == []
    detector = config('mmdet')
    detector.test_evaluator = dict(type='VOCMetric')
    assert packing_problems(without(detector, 'test', 'img_id')) == []


@pytest.mark.parametrize('keys', [None, 5, 'img_id', ['img_id', -1]])
def test_keys_are_a_list_of_names(config, keys):
    detector = config('mmdet')
    detector.test_dataloader.dataset.pipeline[-1].meta_keys = keys
    (problem,) = packing_problems(detector)
    assert problem.endswith(f'meta_keys of PackDetInputs are {keys!r}; expected a list of names')


def test_a_detector_reads_the_size_in_training(config):
    good = config('mmdet')
    for key in keys_of(good, 'train'):
        assert bool(packing_problems(without(good, 'train', key))) == (key == 'img_shape')


def test_shipped_configs_pack_what_is_read(path, read):
    assert packing_problems(read(path)) == []
