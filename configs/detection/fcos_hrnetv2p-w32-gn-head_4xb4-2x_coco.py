# FCOS on HRNetV2p-W32, 5 levels, 2x: box AP 40.3 on val2017 (TPAMI Appendix E); box AP 40.3 on val2017 (HRNet-Object-
# Detection README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w32-gn-head_4xb4-2x_coco.py
_base_ = '../_base_/recipes/fcos_hrnetv2p_2x_coco.py'
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
