# The official protocol for faces, on WFLW: Adam 1e-4, 16 images on one GPU, filtered crops in whole pixels, truncated
# coordinates, batch norm momentum 0.01, no flip test.
_base_ = [
    'mmpose::face_2d_keypoint/topdown_heatmap/wflw/td-hm_hrnetv2-w18_8xb64-60e_wflw-256x256.py',
    '../datasets/face_pieces.py',
    '../models/imagenet_weights.py',
    '../reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'])
codec = dict(type='FaceHeatmap', input_size=(256, 256), heatmap_size=(64, 64), sigma=1.5)
backbone = dict(type='HRNet', arch='w18', multiscale_output=True, fuse_upsample='bilinear')
weights = dict(type='Pretrained', checkpoint=_base_.imagenet_weights.w18)
model = dict(
    backbone=dict(backbone, _delete_=True, init_cfg=weights, norm_cfg=dict(type='BN', momentum=0.01)),
    head=dict(type='FaceHead', loss=dict(use_target_weight=False), decoder=codec),
    test_cfg=dict(flip_test=False),
)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=60, milestones=[30, 50], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(checkpoint=dict(save_best='face/NME'))
train_pipeline = [*_base_.augmentation, dict(type='GenerateTarget', encoder=codec), dict(type='PackPoseInputs')]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='FaceAlignmentMetric')
test_evaluator = val_evaluator
