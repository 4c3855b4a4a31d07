# HigherHRNet-W32, 512x512: AP 67.1 on val2017 (HigherHRNet-Human-Pose-Estimation README); AP 69.9 on val2017
# (HigherHRNet-Human-Pose-Estimation README); AP 66.4 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README).
# Multi-scale rows: model.test_cfg.multiscale_test=True, and aug_scales=[0.5, 2] in BottomupResize.
# Command: python tools/train.py configs/pose/higherhrnet_hrnet-w32_4xb12-300e_coco-512x512.py
_base_ = '../_base_/recipes/higherhrnet_coco-512x512.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
model = dict(backbone=dict(init_cfg=weights))
