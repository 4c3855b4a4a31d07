# FCOS on HRNetV2p-W32, its authors' recipe, 5 levels, 2x, multi-scale: box AP 41.9 on val2017 (TPAMI table IX); box AP
# 41.9 on minival (HRNet-FCOS README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w32_bgr255-ms-2x_coco.py
_base_ = '../_base_/recipes/fcos_hrnetv2p_bgr255-ms_coco.py'
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
