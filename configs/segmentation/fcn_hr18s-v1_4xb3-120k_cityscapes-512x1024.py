# HRNetV2-W18-small-v1, official recipe: mIoU 70.3 on val (HRNet-Semantic-Segmentation@master README); mIoU 70.3 on val
# (HRNet-Semantic-Segmentation@pytorch-v1.1 README).
# The official training starts from ImageNet weights, which are on no public host: expect several points less without
# them. With a copy: --cfg-options model.pretrained=FILE model.backbone.init_cfg=None. Users measure 65.2 and 65.8.
# Difference from the official code, without an expected effect: its head starts from random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr18s-v1_4xb3-120k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/cityscapes_official.py',
    '../_base_/schedules/segmentation_120k.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(
    pretrained=None,
    backbone=dict(arch='w18-small-v1', init_cfg=_base_.normal_init),
    decode_head=dict(in_channels=[16, 32, 64, 128], channels=240, loss_decode=dict(class_weight='cityscapes')),
)
tta_model = _base_.official_test
