"""Bases from mmseg (a model, a schedule) beside a custom data set; mixed precision."""

_base_ = [
    'mmseg::_base_/models/upernet_r50.py',
    './_base_/datasets/cracks.py',
    'mmseg::_base_/default_runtime.py',
    'mmseg::_base_/schedules/schedule_20k.py',
]
custom_imports = dict(imports=['cracks.datasets', 'hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)

norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    pretrained=None,
    backbone=dict(_delete_=True, type='HRNet', arch='test-w4', norm_cfg=norm_cfg),
    decode_head=dict(in_channels=[4, 8, 16, 32], pool_scales=(1, 2), channels=8, num_classes=3, norm_cfg=norm_cfg),
    auxiliary_head=dict(in_channels=16, channels=8, num_classes=3, norm_cfg=norm_cfg),
)
train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=4, val_begin=3, val_interval=1)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(by_epoch=False, interval=2, max_keep_ckpts=1, save_last=True)
)
