# HRNet-W48-C, 224x224: top-1 error 20.7 on val (HRNet-Image-Classification README).
# The CutMix (300e) and SSLD rows are other weights of this network; how they were trained was never released.
# Command: python tools/train.py configs/classification/hrnet-w48_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w48'),
    neck=[dict(type='HRFuseScales', arch='w48', conv_bias=True), dict(type='GlobalAveragePooling')],
)
