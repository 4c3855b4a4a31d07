# HRNetV2 instead of V1 for pose, from random weights: AP 73.6 on val2017 (TPAMI section VII (text)).
# V1: pose/td-hm_hrnet-w32_scratch-4xb32-210e_coco-256x192.py (AP 73.4).
# No code was released: the recipe of the published network is assumed.
# Command: python tools/train.py configs/ablations/td-hm_hrnetv2-w32_scratch_coco-256x192.py
_base_ = '../_base_/recipes/td-hm_hrnet_coco-256x192.py'
model = dict(
    backbone=dict(multiscale_output=True),
    neck=dict(type='FeatureMapProcessor', concat=True),
    head=dict(in_channels=480, conv_out_channels=(480,), conv_kernel_sizes=(1,)),
)
