# HTC on HRNetV2p-W32, 20e: mask AP 39.6 and box AP 45.3 on val2017 (TPAMI table X); box AP 45.6 on test-dev2017 (TPAMI
# table XI); mask AP 39.6 and box AP 45.3 on val2017 (TPAMI Appendix E); mask AP 39.6 and box AP 45.3 on val2017
# (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/htc_hrnetv2p-w32_official-boxes-20e_coco.py
_base_ = '../_base_/recipes/htc_hrnetv2p_official-boxes_coco.py'
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
