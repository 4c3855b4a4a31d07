# HigherHRNet-W32, 640x640: AP 68.5 on val2017 (HigherHRNet-Human-Pose-Estimation README); AP 70.6 on val2017
# (HigherHRNet-Human-Pose-Estimation README).
# Multi-scale rows: model.test_cfg.multiscale_test=True, and aug_scales=[0.5, 2] in BottomupResize.
# Command: python tools/train.py configs/pose/higherhrnet_hrnet-w32_4xb10-300e_coco-640x640.py
_base_ = '../_base_/recipes/higherhrnet_coco-640x640.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
model = dict(
    backbone=dict(arch='w32', init_cfg=weights),
    head=dict(in_channels=32, deconv_out_channels=[32]),
)
