# HRNet-W18-small-v1-C, 224x224: top-1 error 27.7 on val (HRNet-Image-Classification README).
# The width is 16, not 18.
# Command: python tools/train.py configs/classification/hrnet-w18-small-v1_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w18-small-v1'),
    neck=[dict(type='HRFuseScales', arch='w18-small-v1', conv_bias=True), dict(type='GlobalAveragePooling')],
)
