# HTC on HRNetV2p-W18, 20e: mask AP 37.9 and box AP 43.1 on val2017 (TPAMI table X); mask AP 37.9 and box AP 43.1 on
# val2017 (TPAMI Appendix E); mask AP 37.9 and box AP 43.1 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/htc_hrnetv2p-w18_20e_coco.py
_base_ = '../_base_/recipes/htc_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
