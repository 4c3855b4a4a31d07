# HRNetV2-W18, official recipe: not published by the authors.
# Difference from the official code, without an expected effect: its head starts from random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr18_4xb3-120k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/cityscapes_official.py',
    '../_base_/schedules/segmentation_120k.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(
    pretrained=_base_.imagenet_weights.w18,
    backbone=dict(arch='w18'),
    decode_head=dict(in_channels=[18, 36, 72, 144], channels=270, loss_decode=dict(class_weight='cityscapes')),
)
tta_model = _base_.official_test
