# ResNet-72, compared with HRNet-C on slide 46: top-1 error 23.3 on val (TPAMI table XV).
# Slide 46 calls it ResNet-71.
# Command: python tools/train.py configs/classification/resnet-72_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain'])
model = dict(
    backbone=dict(type='ComparisonResNet', depth=72),
    neck=dict(type='GlobalAveragePooling'),
)
