# HRNetV2-W48, official recipe: mIoU 55.9 on val (TPAMI table VI); mIoU 56.04 on val (HRNet-Semantic-Segmentation@master
# README); mIoU 55.8 on val (HRNet-Semantic-Segmentation@pytorch-v1.1 README).
# The number is that of --tta: flip, with left and right labels swapped back. Difference from the official code, without
# an expected effect: its head starts from random biases. The values of master and of the paper were trained with
# InPlace-ABN, which uses |gamma|: standard batch norm cost the authors 0.2.
# Command: python tools/train.py configs/segmentation/fcn_hr48_4xb10-114k_lip-473x473.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/lip.py',
    '../_base_/schedules/segmentation_lip.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(decode_head=dict(num_classes=20))
tta_model = _base_.official_test
