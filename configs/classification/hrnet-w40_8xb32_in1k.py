# HRNet-W40-C, 224x224: top-1 error 21.1 on val (TPAMI table XV); top-1 error 21.1 on val (TPAMI table XVI); top-1
# error 21.1 on val (HRNet-Image-Classification README).
# Command: python tools/train.py configs/classification/hrnet-w40_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w40'),
    neck=[dict(type='HRFuseScales', arch='w40', conv_bias=True), dict(type='GlobalAveragePooling')],
)
