# HRNetV2-W48 from random weights, all 8 fusions: mIoU 76.4 on val (TPAMI table XII); mIoU 76.4 on val (TPAMI section
# VII (text)).
# No code was released for it: the recipe of the ImageNet-pretrained network is assumed. Difference from the official
# code, without an expected effect: its head starts from random biases.
# Command: python tools/train.py configs/ablations/fcn_hr48_scratch_cityscapes-512x1024.py
_base_ = '../segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024.py'
model = dict(pretrained=None, backbone=dict(init_cfg=_base_.normal_init))
