# HRNetV2-W40, official recipe: mIoU 80.2 on val (TPAMI table III).
# The paper prints 45.2M parameters and 493.2 x 2^30 MACs. The network has 45.89M and 498.7 (hrnet-mm verify fcn_hr40).
# No config was released for this width; that of W48 is assumed. Difference from the official code, without an expected
# effect: its head starts from random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr40_4xb3-120k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/cityscapes_official.py',
    '../_base_/schedules/segmentation_120k.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(
    pretrained=_base_.imagenet_weights.w40,
    backbone=dict(arch='w40'),
    decode_head=dict(in_channels=[40, 80, 160, 320], channels=600, loss_decode=dict(class_weight='cityscapes')),
)
tta_model = _base_.official_test
