# FCOS on HRNetV2p-W32, its authors' recipe, 5 levels, 2x: box AP 40.5 on test-dev2017 (TPAMI table XI).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w32_bgr255-2x_coco.py
_base_ = '../_base_/recipes/fcos_hrnetv2p_bgr255_coco.py'
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
