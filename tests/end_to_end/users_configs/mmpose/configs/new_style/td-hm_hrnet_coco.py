"""New style: pure Python, classes as types, bases by read_base(); no scope is named."""

# ruff: noqa: F403, F405
from gestures.hooks import CountingHook
from mmengine.config import read_base
from mmengine.dataset import DefaultSampler
from mmengine.hooks import EMAHook
from mmengine.optim.scheduler import LinearLR, MultiStepLR
from mmpose.codecs import UDPHeatmap
from mmpose.datasets import (
    CocoDataset,
    GenerateTarget,
    GetBBoxCenterScale,
    LoadImage,
    PackPoseInputs,
    RandomBBoxTransform,
    RandomFlip,
    RandomHalfBody,
    TopdownAffine,
)
from mmpose.engine.hooks import ExpMomentumEMA
from mmpose.evaluation import EPE, CocoMetric
from mmpose.models import HeatmapHead, KeypointMSELoss, PoseDataPreprocessor, TopdownPoseEstimator
from torch.optim import Adam

from hrnet_mm.models import HRNetV1

with read_base():
    from ._base_.default_runtime import *

train_cfg.update(max_epochs=2, val_interval=1)
optim_wrapper = dict(optimizer=dict(type=Adam, lr=5e-4))
param_scheduler = [
    dict(type=LinearLR, begin=0, end=2, start_factor=0.1, by_epoch=False),
    dict(type=MultiStepLR, begin=0, end=210, milestones=[170, 200], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=512)
default_hooks.update(checkpoint=dict(type=CheckpointHook, save_best='coco/AP', rule='greater', interval=1))

codec = dict(type=UDPHeatmap, input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
model = dict(
    type=TopdownPoseEstimator,
    data_preprocessor=dict(
        type=PoseDataPreprocessor, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    backbone=dict(type=HRNetV1, arch='test-w4'),
    head=dict(
        type=HeatmapHead,
        in_channels=4,
        out_channels=17,
        deconv_out_channels=None,
        loss=dict(type=KeypointMSELoss, use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False),
)

dataset_type = 'CocoDataset'  # mmpose's inferencer looks for this name, and for data_mode, here
data_mode = 'topdown'
data_root = 'data/coco/'
train_pipeline = [
    dict(type=LoadImage),
    dict(type=GetBBoxCenterScale),
    dict(type=RandomFlip, direction='horizontal'),
    dict(type=RandomHalfBody),
    dict(type=RandomBBoxTransform),
    dict(type=TopdownAffine, input_size=codec['input_size'], use_udp=True),
    dict(type=GenerateTarget, encoder=codec),
    dict(type=PackPoseInputs),
]
val_pipeline = [
    dict(type=LoadImage),
    dict(type=GetBBoxCenterScale),
    dict(type=TopdownAffine, input_size=codec['input_size'], use_udp=True),
    dict(type=PackPoseInputs),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=True),
    dataset=dict(
        type=CocoDataset,
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/person_keypoints_train2017.json',
        data_prefix=dict(img='train2017/'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    drop_last=False,
    sampler=dict(type=DefaultSampler, shuffle=False, round_up=False),
    dataset=dict(
        type=CocoDataset,
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/person_keypoints_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type=CocoMetric, ann_file=data_root + 'annotations/person_keypoints_val2017.json'),
    dict(type=EPE),
]
test_evaluator = val_evaluator
custom_hooks.extend(
    [
        dict(type=EMAHook, ema_type=ExpMomentumEMA, momentum=0.0002, update_buffers=True, priority=49),
        dict(type=CountingHook),
    ]
)
