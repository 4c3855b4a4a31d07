# HRNetV2-W48, official recipe of the OCR branch (batch norm momentum 0.1): mIoU 55.83 on val (HRNet-Semantic-
# Segmentation@HRNet-OCR README).
# The number is that of --tta: flip, with left and right labels swapped back. Difference from the official code, without
# an expected effect: its head starts from random biases. It trained with InPlace-ABN, which uses |gamma|: on LIP,
# standard batch norm cost the authors 0.2.
# Command: python tools/train.py configs/segmentation/fcn_hr48_momentum-0.1-4xb10-114k_lip-473x473.py
_base_ = [
    '../_base_/models/fcn_hrnetv2_ocr-branch.py',
    '../_base_/datasets/lip.py',
    '../_base_/schedules/segmentation_lip.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(decode_head=dict(num_classes=20))
tta_model = _base_.official_test
