# HRNet-W27-Ci, 224x224: top-1 error 26.0 on val (TPAMI table XVI).
# Head Ci pools each branch and concatenates. Pooling the upsampled branches of V2 gives the same values.
# No code was released: the recipe of the published network is assumed.
# Command: python tools/train.py configs/ablations/hrnet-w27-ci_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
model = dict(
    backbone=dict(type='hrnet_mm.HRNetV2', arch='w27'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(in_channels=405),
)
