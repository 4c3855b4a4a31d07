# SimpleBaseline-ResNet-50 on COCO at 256x192: Adam 1e-3 without weight decay or warm-up, 140 epochs of 4 x 32 images,
# no half bodies. The images stay BGR, with the mean and standard deviation of RGB.
_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py',
    '../models/imagenet_weights.py',
    '../reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
model = dict(data_preprocessor=dict(bgr_to_rgb=False), head=dict(loss=dict(loss_weight=0.5)))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=140)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=140, milestones=[90, 120], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=128)
augmentation = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='OfficialBBoxTransform', scale_factor=0.3, rotate_factor=40),
]
affine = dict(type='TopdownAffine', input_size=_base_.codec.input_size)
target = dict(type='GenerateTarget', encoder=_base_.codec)
train_pipeline = [*augmentation, affine, target, dict(type='PackPoseInputs')]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
