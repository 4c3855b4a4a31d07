# mmpretrain, "Learn about Configs": a base of the library with another backbone and neck; its loops and wrappers have
# no type (by_epoch=True). Labels of ImageNet's form.
_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain'], allow_failed_imports=False)

model = dict(
    backbone=dict(_delete_=True, type='HRNet', arch='test-w4'),
    neck=[
        dict(type='HRFuseScales', in_channels=(4, 8, 16, 32)),
        dict(type='GlobalAveragePooling'),
    ],
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=64),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=72, edge='short'),
    dict(type='CenterCrop', crop_size=64),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=2, num_workers=0, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=2, num_workers=0, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=2)
param_scheduler = dict(milestones=[1])
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=1))
