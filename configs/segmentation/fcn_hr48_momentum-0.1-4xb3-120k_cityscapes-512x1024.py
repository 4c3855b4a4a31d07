# HRNetV2-W48, official recipe of the OCR branch (batch norm momentum 0.1): mIoU 80.9 on val (HRNet-Semantic-
# Segmentation@HRNet-OCR README).
# Difference from the official code, without an expected effect: its head starts from random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr48_momentum-0.1-4xb3-120k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/fcn_hrnetv2_ocr-branch.py',
    '../_base_/datasets/cityscapes_official.py',
    '../_base_/schedules/segmentation_120k.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(decode_head=dict(loss_decode=dict(class_weight='cityscapes')))
tta_model = _base_.official_test
