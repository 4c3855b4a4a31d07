# FCOS on HRNetV2p-W18, 5 levels, 1x: box AP 35.2 on val2017 (TPAMI Appendix E); box AP 35.2 on val2017 (HRNet-Object-
# Detection README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py
_base_ = '../_base_/recipes/fcos_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
