# HigherHRNet-W48, 640x640: AP 69.9 on val2017 (HigherHRNet-Human-Pose-Estimation README); AP 72.1 on val2017
# (HigherHRNet-Human-Pose-Estimation README); AP 68.4 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README); AP
# 70.5 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README).
# Multi-scale rows: model.test_cfg.multiscale_test=True, and aug_scales=[0.5, 2] in BottomupResize.
# Command: python tools/train.py configs/pose/higherhrnet_hrnet-w48_4xb10-300e_coco-640x640.py
_base_ = '../_base_/pose/higherhrnet.py'
size = (640, 640)
weights = dict(
    type='Pretrained', checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
)
decoder = dict(_base_.encoding, input_size=size, heatmap_sizes=[(160, 160), (320, 320)])
model = dict(
    backbone=dict(arch='w48', init_cfg=weights),
    head=dict(in_channels=48, deconv_out_channels=[48], decoder=decoder),
)
affine = dict(type='BottomupRandomAffine', input_size=size)
target = dict(type='GenerateTarget', encoder=decoder)
train_pipeline = [_base_.train_pipeline[0], affine, _base_.train_pipeline[2], target, *_base_.train_pipeline[4:]]
resize = dict(_base_.val_pipeline[1], input_size=size)
val_pipeline = [_base_.val_pipeline[0], resize, _base_.val_pipeline[2]]
train_dataloader = dict(batch_size=10, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
