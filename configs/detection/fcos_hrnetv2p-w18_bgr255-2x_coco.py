# FCOS on HRNetV2p-W18, its authors' recipe, 5 levels, 2x: box AP 37.7 on val2017 (TPAMI table IX); box AP 37.8 on
# test-dev2017 (TPAMI table XI); box AP 37.7 on minival (HRNet-FCOS README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w18_bgr255-2x_coco.py
_base_ = '../_base_/recipes/fcos_hrnetv2p_bgr255_coco.py'
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
