# HRNet-W44b-C, 224x224: top-1 error 23.0 on val (TPAMI table XV).
# Bottleneck branches of output width 44 and inner width 11. The released W44-C is another network.
# No code was released: the recipe of the other widths is assumed.
# Command: python tools/train.py configs/classification/hrnet-w44b_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='HRNet', arch='w44b'),
    neck=[dict(type='HRFuseScales', arch='w44b', conv_bias=True), dict(type='GlobalAveragePooling')],
)
