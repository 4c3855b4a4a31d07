"""mmpose's RTMPose with HRNet in place of CSPNeXt: averaged weights, and other augmentation in the last epoch."""

_base_ = 'mmpose::body_2d_keypoint/rtmpose/coco/rtmpose-t_8xb256-420e_coco-256x192.py'
runner_type = 'hrnet_mm.ReliableRunner'

max_epochs = 3
base_lr = 4e-3
model = dict(
    backbone=dict(_delete_=True, type='hrnet_mm.HRNet', arch='test-w4'),
    head=dict(in_channels=32, gau_cfg=dict(hidden_dims=16, s=8)),
)
train_pipeline = [
    dict(type='LoadImage', backend_args=_base_.backend_args),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform', scale_factor=[0.6, 1.4], rotate_factor=80),
    dict(type='TopdownAffine', input_size=_base_.codec['input_size']),
    dict(type='mmdet.YOLOXHSVRandomAug'),
    dict(type='GenerateTarget', encoder=_base_.codec),
    dict(type='PackPoseInputs'),
]
train_pipeline_stage2 = [
    dict(type='LoadImage', backend_args=_base_.backend_args),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=_base_.codec['input_size']),
    dict(type='GenerateTarget', encoder=_base_.codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader

val_evaluator = [
    dict(type='CocoMetric', ann_file=_base_.data_root + 'annotations/person_keypoints_val2017.json'),
    dict(type='EPE'),
]
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=max_epochs, val_interval=1)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2),
    dict(
        type='CosineAnnealingLR',
        eta_min=base_lr * 0.05,
        begin=1,
        end=max_epochs,
        T_max=max_epochs - 1,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
custom_hooks = [
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, update_buffers=True, priority=49),
    dict(type='mmdet.PipelineSwitchHook', switch_epoch=max_epochs - 1, switch_pipeline=train_pipeline_stage2),
]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
