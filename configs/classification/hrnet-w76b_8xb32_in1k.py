# HRNet-W76b-C, 224x224: top-1 error 21.5 on val (TPAMI table XV).
# Bottleneck branches, inner width 19.
# No code was released: the recipe of the other widths is assumed.
# Command: python tools/train.py configs/classification/hrnet-w76b_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w76b'),
    neck=[dict(type='HRFuseScales', arch='w76b', conv_bias=True), dict(type='GlobalAveragePooling')],
)
