"""Values of another kind than their arguments take are found, and those of the shipped configs are not."""

import pytest

from hrnet_mm.config.building import building_problems
from hrnet_mm.config.check import config_problems

DETECTOR = 'detection/faster-rcnn_hrnetv2p-w32_1x_coco.py'
POSE = 'pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py'
SEGMENTER = 'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520.py'
CLASSIFIER = 'classification/hrnet-w18_8xb32_in1k.py'


def found(config, training=True):
    return [one for one in config_problems(config, training, on_cpu=False) if 'does not exist' not in one]


@pytest.mark.parametrize(
    ('file', 'change', 'message'),
    [
        # The structure
        (POSE, lambda config: config.update(model=5), 'model: 5; expected a dict'),
        (POSE, lambda config: config.model.pop('type'), 'model.type: None; expected the name of a model'),
        (POSE, lambda config: config.model.update(head='x'), "model.head: 'x'; expected a dict or a list of dicts"),
        (
            POSE,
            lambda config: config.train_dataloader.update(dataset=-1),
            'train_dataloader.dataset: -1; expected a dict',
        ),
        (POSE, lambda config: config.train_dataloader.pop('dataset'), 'train_dataloader.dataset: missing'),
        (POSE, lambda config: config.train_dataloader.pop('sampler'), 'train_dataloader.sampler: missing'),
        (
            POSE,
            lambda config: config.train_dataloader.dataset.pop('type'),
            'train_dataloader.dataset.type: None; expec',
        ),
        (
            POSE,
            lambda config: config.train_dataloader.dataset.update(pipeline={}),
            'dataset.pipeline: {}; expected a li',
        ),
        (
            POSE,
            lambda config: config.train_dataloader.dataset.pipeline.insert(1, 1.5),
            'train_dataloader.dataset.pipeline[1]: 1.5; expected a dict with a type',
        ),
        (
            POSE,
            lambda config: config.train_dataloader.dataset.update(ann_file={}),
            'dataset.ann_file: {}; expected a t',
        ),
        (
            POSE,
            lambda config: config.train_dataloader.dataset.update(data_prefix=[1]),
            'data_prefix: [1]; expected a fo',
        ),
        (
            POSE,
            lambda config: config.default_hooks.update(logger=3),
            'default_hooks.logger: 3; expected a dict, or None',
        ),
        (
            POSE,
            lambda config: config.default_hooks.logger.update(_scope_=3),
            'default_hooks.logger._scope_: 3; expected',
        ),
        (
            POSE,
            lambda config: config.default_hooks.update(sampler_seed=config.default_hooks.checkpoint),
            'default_hooks.sampler_seed: CheckpointHook; expected DistSamplerSeedHook, or None',
        ),
        # The arguments
        (
            POSE,
            lambda config: config.model.head.loss.update(loss_weight='x'),
            "head.loss.loss_weight: 'x'; expected a nu",
        ),
        (POSE, lambda config: config.model.head.loss.update(use_target_weight={}), 'expected True or False'),
        (
            DETECTOR,
            lambda config: config.model.neck.update(num_outs='5'),
            "model.neck.num_outs: '5'; expected a number",
        ),
        (
            DETECTOR,
            lambda config: config.train_dataloader.dataset.pipeline[2].update(scale=(1333, 800, 800)),
            'scale: (1333, 800, 800); expected one size above 0, a pair of them, or a list of pairs',
        ),
        (
            CLASSIFIER,
            lambda config: config.train_dataloader.dataset.pipeline.insert(
                0, config.train_dataloader.dataset.pipeline[-1]
            ),
            'PackInputs is followed by LoadImageFromFile; it must be last',
        ),
        (
            DETECTOR,
            lambda config: config.model.roi_head.bbox_head.bbox_coder.update(target_means=[0.0] * 5),
            'bbox_coder.target_means: [0.0, 0.0, 0.0, 0.0, 0.0]; expected 4 numbers',
        ),
        # Schedules
        (
            POSE,
            lambda config: config.param_scheduler[0].update(by_epoch=False),
            'param_scheduler[0]: by_epoch=False with 210 iterations, but train_cfg has 210 epochs; set by_epoch=True',
        ),
        (
            SEGMENTER,
            lambda config: [one.update(by_epoch=True) for one in config.param_scheduler],
            'by_epoch=True with',
        ),
        (
            DETECTOR,
            lambda config: config.optim_wrapper.update(paramwise_cfg=dict(NORM_DECAY_MULT=0)),
            'NORM_DECAY_MULT',
        ),
        (
            CLASSIFIER,
            lambda config: config.model.update(neck=config.model.backbone),
            'HRNet is a backbone, which reads',
        ),
    ],
)
def test_values_of_another_kind(read, file, change, message):
    config = read(file)
    assert found(config) == []
    change(config)
    problems = found(config)
    assert any(message in problem for problem in problems), problems


def test_shipped_configs_have_none(path, read):
    from hrnet_mm.config.arguments import argument_problems
    from hrnet_mm.config.structure import structure_problems

    config = read(path)
    assert structure_problems(config) == argument_problems(config) == []


@pytest.mark.parametrize('file', [DETECTOR, POSE, SEGMENTER, CLASSIFIER])
@pytest.mark.parametrize('training', [True, False])
def test_good_configs_can_be_built(read, file, training):
    assert building_problems(read(file), training) == []


@pytest.mark.parametrize(
    ('file', 'change', 'message'),
    [
        (
            POSE,
            lambda config: config.model.head.update(deconv_out_channels=(5,)),
            'model: TopdownPoseEstimator cannot be buil',
        ),
        (
            POSE,
            lambda config: config.train_dataloader.dataset.pipeline[2].update(direction='up'),
            'train_dataloader.dataset.pipeline[2]: RandomFlip cannot be built: ',
        ),
        (
            POSE,
            lambda config: config.optim_wrapper.optimizer.update(lr=-1),
            'optim_wrapper: OptimWrapper cannot be built',
        ),
        (
            POSE,
            lambda config: config.param_scheduler[0].update(begin=100, end=50),
            'param_scheduler[0]: MultiStepLR cannot be built: ',
        ),
        (
            POSE,
            lambda config: config.val_evaluator.update(score_mode='x'),
            'val_evaluator: CocoMetric cannot be built: ',
        ),
        (
            DETECTOR,
            lambda config: config.default_hooks.checkpoint.update(save_best=3),
            'default_hooks.checkpoint: Checkpoi',
        ),
    ],
)
def test_what_cannot_be_built(read, file, change, message):
    config = read(file)
    change(config)
    problems = building_problems(config, training=True)
    assert any(message in problem for problem in problems), problems
