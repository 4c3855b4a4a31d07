# HTC on HRNetV2p-W48, 20e: mask AP 40.7 and box AP 46.8 on val2017 (TPAMI table X); box AP 47.0 on test-dev2017 (TPAMI
# table XI); mask AP 40.7 and box AP 46.8 on val2017 (TPAMI Appendix E); mask AP 40.7 and box AP 46.8 on val2017
# (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/htc_hrnetv2p-w48_20e_coco.py
_base_ = '../_base_/recipes/htc_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w48', pretrained=_base_.imagenet_weights.w48), neck=dict(arch='w48'))
