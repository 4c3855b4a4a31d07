# HRNetV2-W48, 59 classes, official recipe of the OCR branch: mIoU (59 classes) 54.1 on val (HRNet-Semantic-
# Segmentation@HRNet-OCR README).
# The numbers are those of --tta: seven scales, windows, flip. Without --tta, mmseg's test with one scale. Difference
# from the official code, without an expected effect: its head starts from random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr48_4xb4-62k_pascal-context-59-520x520.py
_base_ = [
    '../_base_/models/fcn_hrnetv2_ocr-branch.py',
    '../_base_/datasets/pascal-context_59_ocr.py',
    '../_base_/schedules/segmentation_pascal-context_ocr.py',
    '../_base_/mmseg_runtime.py',
]
window = dict(crop_size=(520, 520), stride=(346, 346))
model = dict(decode_head=dict(num_classes=59), test_cfg=dict(mode='slide', **window))
tta_model = _base_.official_test
