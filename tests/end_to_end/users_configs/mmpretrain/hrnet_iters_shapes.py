# mmengine, "Use iter-based training" on an mmpretrain base: a loop without a type (by_epoch=False), intervals that
# change, and the reliable runner by its name.
_base_ = ['_base_/shapes.py', 'mmpretrain::_base_/schedules/imagenet_bs256.py', 'mmpretrain::_base_/default_runtime.py']
runner_type = 'hrnet_mm.ReliableRunner'

model = dict(
    type='ImageClassifier',
    backbone=dict(type='hrnet_mm.HRNet', arch='test-w4'),
    neck=[dict(type='hrnet_mm.HRFuseScales', arch='test-w4'), dict(type='GlobalAveragePooling')],
    head=dict(type='LinearClsHead', in_channels=2048, num_classes=2, loss=dict(type='CrossEntropyLoss'), topk=(1,)),
)
train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True))
train_cfg = dict(_delete_=True, by_epoch=False, max_iters=7, val_begin=2, val_interval=3, dynamic_intervals=[(6, 1)])
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=3),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=3, end=7),
]
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=0.001, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, custom_keys={'head': dict(lr_mult=10)}),
    accumulative_counts=2,
)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(by_epoch=False, interval=3, save_last=True))
log_processor = dict(by_epoch=False)
