# DEKR-W32 on COCO at 512x512: Adam 1e-3 without weight decay or warm-up, 140 epochs of 4 x 10 images.
# Multi-scale test (--tta): scales 0.5, 1 and 2. Poses of all scales are scored by the mean heatmaps.
_base_ = [
    'mmpose::body_2d_keypoint/dekr/coco/dekr_hrnet-w32_8xb10-140e_coco-512x512.py',
    '../datasets/bottom_up_pieces.py',
    '../models/imagenet_weights.py',
    '../reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'])
size = (512, 512)
encoding = dict(type='OfficialSPR', input_size=size, heatmap_size=(128, 128), sigma=(4, 2))
head = dict(type='OfficialDEKRHead', displacement_loss=dict(loss_weight=0.03), decoder=dict(encoding, _delete_=True))
model = dict(
    type='DEKREstimator',
    backbone=dict(_delete_=True, type='HRNet', arch='w32', multiscale_output=True),
    head=head,
    test_cfg=dict(multiscale_nms_dist_thr=0.15, decrease=0.9),
)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=140, milestones=[90, 120], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=40)
load = [dict(type='LoadImage'), dict(type='OfficialBottomupAffine', input_size=size), _base_.flip]
train_dataloader = dict(dataset=dict(pipeline=[*load, dict(type='GenerateTarget', encoder=encoding), *_base_.pack]))
resize = dict(type='OfficialBottomupResize', input_size=size, rounded_scale=1)
val_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImage'), resize, _base_.pack_test]))
test_dataloader = val_dataloader
tta_pipeline = [dict(type='LoadImage'), dict(resize, scales=(0.5, 1, 2)), _base_.pack_test]
tta_model = dict(type='ScalePyramidTTA')
