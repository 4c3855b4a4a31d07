# Associative embedding on HRNetV1-W32, mmpose's recipe: AP 65.6 on val2017 (mmpose).
# mmpose has no training pipeline for it, and its head cannot be trained (1.3.2): the pipeline is mmpose's of DEKR, and
# the head HigherHRNet's at one resolution.
# Command: python tools/train.py configs/pose/ae_hrnet-w32_8xb24-300e_coco-512x512.py
_base_ = './ae_hrnet-w32_4xb12-300e_coco-512x512.py'
load = [dict(type='LoadImage'), dict(type='BottomupRandomAffine', input_size=_base_.size), _base_.flip]
train_pipeline = [*load, dict(type='GenerateTarget', encoder=_base_.encoding), *_base_.pack]
train_dataloader = dict(batch_size=24, dataset=dict(pipeline=train_pipeline))
resize = dict(type='BottomupResize', input_size=_base_.size, size_factor=64, resize_mode='expand')
val_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImage'), resize, _base_.pack_test]))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
warmup = dict(type='LinearLR', begin=0, end=500, start_factor=0.001, by_epoch=False)
param_scheduler = [
    warmup,
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=300, milestones=[200, 260], gamma=0.1),
]
auto_scale_lr = dict(base_batch_size=192)
