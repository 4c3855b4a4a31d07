# ResNet-38, compared with HRNet-C on slide 46: top-1 error 24.6 on val (TPAMI table XV).
# Command: python tools/train.py configs/classification/resnet-38_8xb32_in1k.py
_base_ = '../_base_/recipes/hrnet_in1k.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain'])
model = dict(
    backbone=dict(type='ComparisonResNet', depth=38),
    neck=dict(type='GlobalAveragePooling'),
)
