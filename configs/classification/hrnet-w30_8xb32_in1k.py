# HRNet-W30-C, 224x224: top-1 error 21.9 on val (TPAMI table XV); top-1 error 21.9 on val (TPAMI table XVI); top-1
# error 21.8 on val (HRNet-Image-Classification README).
# Command: python tools/train.py configs/classification/hrnet-w30_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w30'),
    neck=[dict(type='HRFuseScales', arch='w30', conv_bias=True), dict(type='GlobalAveragePooling')],
)
