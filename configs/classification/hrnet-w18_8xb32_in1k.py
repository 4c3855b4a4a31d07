# HRNet-W18-C, 224x224: top-1 error 23.1 on val (TPAMI table XV); top-1 error 23.1 on val (TPAMI table XVI); top-1
# error 23.2 on val (HRNet-Image-Classification README).
# The CutMix (300e) and SSLD rows are other weights of this network; how they were trained was never released.
# Command: python tools/train.py configs/classification/hrnet-w18_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w18'),
    neck=[dict(type='HRFuseScales', arch='w18', conv_bias=True), dict(type='GlobalAveragePooling')],
)
