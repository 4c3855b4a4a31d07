# FCOS on HRNetV2p-W32, 5 levels, 1x: box AP 38.2 on val2017 (TPAMI Appendix E); box AP 37.7 on val2017 (HRNet-Object-
# Detection README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w32-gn-head_4xb4-1x_coco.py
_base_ = '../_base_/recipes/fcos_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
