# HTC on HRNetV2p-W40, 20e: not published by the authors; mmdet has box AP 46.4, mask AP 40.8 on val2017.
# Command: python tools/train.py configs/detection/htc_hrnetv2p-w40_20e_coco.py
_base_ = '../_base_/recipes/htc_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w40', pretrained=_base_.imagenet_weights.w40), neck=dict(arch='w40'))
