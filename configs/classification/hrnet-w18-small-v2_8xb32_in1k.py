# HRNet-W18-small-v2-C, 224x224: top-1 error 24.9 on val (HRNet-Image-Classification README).
# Command: python tools/train.py configs/classification/hrnet-w18-small-v2_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w18-small-v2'),
    neck=[dict(type='HRFuseScales', arch='w18-small-v2', conv_bias=True), dict(type='GlobalAveragePooling')],
)
