# HRNet-W44-C, 224x224: top-1 error 21.1 on val (HRNet-Image-Classification README).
# Command: python tools/train.py configs/classification/hrnet-w44_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w44'),
    neck=[dict(type='HRFuseScales', arch='w44', conv_bias=True), dict(type='GlobalAveragePooling')],
)
