"""Markers that mmengine leaves in configs do not reach constructors, and types are found in every form."""

import pytest
from mmengine.config import Config, ConfigDict
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.registry import HOOKS, LOOPS, MODELS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from hrnet_mm.config.consistency import contradictions
from hrnet_mm.engine import SafeCheckpointHook, SafeLoggerHook
from hrnet_mm.engine import resume as resume_module
from hrnet_mm.engine.markers import drop_markers
from hrnet_mm.engine.resume import resumable_loop
from hrnet_mm.engine.runner import _replaced
from hrnet_mm.models import HRNet
from hrnet_mm.registry import class_of, scope_of, type_name


def test_a_scope_stays_only_where_a_registry_takes_it_out():
    config = Config(
        {
            'train_dataloader': {
                '_scope_': 'mmdet',
                'dataset': {'type': 'CocoDataset', '_scope_': 'mmdet', 'data_prefix': {'img': '', '_scope_': 'mmdet'}},
                'collate_fn': {'type': 'default_collate', '_scope_': 'mmpretrain'},
                'worker_init_fn': {'type': 'x', '_scope_': 'mmdet'},
            },
            'train_cfg': {'by_epoch': True, '_scope_': 'mmdet'},
            'model': {
                'type': 'X',
                'norm_cfg': {'type': 'BN', '_scope_': 'mmseg'},
                'act_cfg': {'type': 'ReLU', '_scope_': 'mmseg'},
            },
            'pipeline': [{'type': 'Resize', '_scope_': 'mmdet'}, ({'keys': 1, '_scope_': 'mmdet'},)],
        }
    )
    drop_markers(config)
    assert config.train_dataloader == {
        'dataset': {'type': 'CocoDataset', '_scope_': 'mmdet', 'data_prefix': {'img': ''}},
        'collate_fn': {'type': 'default_collate'},
        'worker_init_fn': {'type': 'x'},
    }
    assert config.train_cfg == {'by_epoch': True}
    # Of these two, mmcv builds one by itself and one by a registry.
    assert config.model == {'type': 'X', 'norm_cfg': {'type': 'BN'}, 'act_cfg': {'type': 'ReLU', '_scope_': 'mmseg'}}
    assert config.pipeline == [{'type': 'Resize', '_scope_': 'mmdet'}, ({'keys': 1},)]


def test_a_delete_without_anything_to_delete_goes_at_every_depth(tmp_path):
    file = tmp_path / 'config.py'
    file.write_text(
        "model = dict(type='A', _delete_=True, neck=[dict(type='B', _delete_=True, act=dict(_delete_=True))])"
    )
    config = Config.fromfile(file)
    assert '_delete_' in config.model  # mmengine leaves it
    drop_markers(config)
    assert config.model == {'type': 'A', 'neck': [{'type': 'B', 'act': {}}]}


@pytest.mark.parametrize('kind', ['EMAHook', 'mmengine.EMAHook', 'mmengine.hooks.EMAHook', EMAHook])
def test_a_type_is_found_by_name_scoped_name_path_and_class(kind):
    assert class_of({'type': kind}, HOOKS) is EMAHook
    assert type_name({'type': kind}) == 'EMAHook'


def test_a_type_is_looked_up_in_its_own_scope():
    assert class_of({'type': 'HRNet', '_scope_': 'hrnet_mm'}, MODELS) is HRNet
    assert class_of({'type': 'HRNet'}, MODELS) is None
    assert class_of({}, MODELS) is None


@pytest.mark.parametrize(
    ('config', 'scope'),
    [
        ({'default_scope': 'mmseg'}, 'mmseg'),
        ({'default_scope': None, 'model': {'type': HRNet}}, 'hrnet_mm'),
        ({'model': {'type': 'mmdet.models.detectors.FasterRCNN'}}, 'mmdet'),
        ({'model': {'type': 'FasterRCNN', '_scope_': 'mmdet'}}, 'mmdet'),
        ({'model': {'type': 'FasterRCNN'}}, ''),
        ({}, ''),
    ],
)
def test_the_library_of_a_config(config, scope):
    assert scope_of(config) == scope


@pytest.mark.parametrize(
    ('kind', 'ours'),
    [
        ('CheckpointHook', SafeCheckpointHook),
        ('mmengine.CheckpointHook', SafeCheckpointHook),
        (CheckpointHook, SafeCheckpointHook),
        ('LoggerHook', SafeLoggerHook),
    ],
)
def test_a_hook_is_replaced_however_it_is_named(kind, ours):
    hook = _replaced(ConfigDict(type=kind, interval=3, _scope_='mmengine'))
    assert hook['type'] is ours
    assert HOOKS.build(hook).interval == 3


class _Counting(EpochBasedTrainLoop):
    def run_iter(self, idx, data_batch):
        self.seen = idx


class _Own(EpochBasedTrainLoop):
    def run_epoch(self):
        pass


def test_loops_that_can_begin_within_an_epoch():
    assert resumable_loop(EpochBasedTrainLoop) is resume_module.EpochBasedTrainLoop
    counting = resumable_loop(_Counting)
    assert counting.run_iter is _Counting.run_iter
    assert counting.run_epoch is resume_module.EpochBasedTrainLoop.run_epoch
    assert counting.__name__ == '_Counting'
    for other in (_Own, IterBasedTrainLoop, print):
        assert resumable_loop(other) is None
    assert resumable_loop(class_of({'type': 'EpochBasedTrainLoop', '_scope_': 'hrnet_mm'}, LOOPS)) is not None


def test_a_contradiction_is_found_behind_a_scope():
    config = {'default_scope': 'mmpose', 'model': {'type': 'TopdownPoseEstimator', '_scope_': 'mmpose'}}
    config['model']['backbone'] = {'type': 'hrnet_mm.HRNet', '_scope_': 'mmpose', 'arch': 'w32', 'frozen_stages': 9}
    (problem,) = contradictions(config, training=True, on_cpu=True, processes=1)
    assert problem.startswith('model.backbone: frozen_stages')
