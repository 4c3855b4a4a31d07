# CenterNet (keypoint triplets) on the finest map of HRNetV2p. Data and augmentation are those of mmdet's CornerNet at
# 511x511. No recipe for HRNet was released: this is the authors' for Hourglass, 480,000 iterations of 48 images.
_base_ = [
    'mmdet::cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py',
    '../models/imagenet_weights.py',
    '../reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'])
model = dict(
    backbone=dict(_delete_=True, type='HRNet', arch='w48', norm_eval=False),
    neck=dict(_delete_=True, type='HRFPN', arch='w48', num_outs=1),
    bbox_head=dict(_delete_=True, type='CenterNetTripletHead', num_classes=80, in_channels=256),
    test_cfg=None,
)
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, begin=0, end=480_000, milestones=[450_000], gamma=0.1),
]
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=480_000, val_interval=48_000)
train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True))
