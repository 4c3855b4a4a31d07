# HRNetV2-W48 from random weights, branches multiplied instead of added: mIoU 66.0 on val (TPAMI section VII (text)).
# No code was released for it: the recipe of the ImageNet-pretrained network is assumed. Difference from the official
# code, without an expected effect: its head starts from random biases.
# Command: python tools/train.py configs/ablations/fcn_hr48_product_cityscapes-512x1024.py
_base_ = '../segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024.py'
model = dict(pretrained=None, backbone=dict(fusion='product', init_cfg=_base_.normal_init))
