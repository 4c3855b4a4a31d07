# HRNet-W96b-C, 224x224: top-1 error 21.0 on val (TPAMI table XV).
# Bottleneck branches, inner width 24. Slide 46 prints a top-5 error of 5.7, the paper 5.6.
# No code was released: the recipe of the other widths is assumed.
# Command: python tools/train.py configs/classification/hrnet-w96b_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w96b'),
    neck=[dict(type='HRFuseScales', arch='w96b', conv_bias=True), dict(type='GlobalAveragePooling')],
)
