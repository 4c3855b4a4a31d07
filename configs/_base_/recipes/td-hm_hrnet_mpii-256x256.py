# The official recipe for MPII at 256x256: as for COCO, but scale 0.25 and rotation 30, and no half bodies.
_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/mpii/td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py',
    '../models/imagenet_weights.py',
    '../reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
model = dict(
    backbone=dict(_delete_=True, type='HRNet', arch='w32'),
    head=dict(loss=dict(loss_weight=0.5)),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=210, milestones=[170, 200], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=128)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='OfficialBBoxTransform', scale_factor=0.25, rotate_factor=30),
    dict(type='TopdownAffine', input_size=_base_.codec.input_size),
    dict(type='GenerateTarget', encoder=_base_.codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
