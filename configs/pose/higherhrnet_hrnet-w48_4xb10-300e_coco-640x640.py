# HigherHRNet-W48, 640x640: AP 69.9 on val2017 (HigherHRNet-Human-Pose-Estimation README); AP 72.1 on val2017
# (HigherHRNet-Human-Pose-Estimation README); AP 68.4 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README); AP
# 70.5 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README).
# Multi-scale rows: model.test_cfg.multiscale_test=True, and aug_scales=[0.5, 2] in BottomupResize.
# Command: python tools/train.py configs/pose/higherhrnet_hrnet-w48_4xb10-300e_coco-640x640.py
_base_ = '../_base_/recipes/higherhrnet_coco-640x640.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w48)
model = dict(
    backbone=dict(arch='w48', init_cfg=weights),
    head=dict(in_channels=48, deconv_out_channels=[48]),
)
