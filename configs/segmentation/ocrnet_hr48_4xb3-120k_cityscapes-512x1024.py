# HRNetV2-W48 + OCR, official recipe: mIoU 81.6 on val (TPAMI table III); mIoU 81.6 on val (HRNet-Semantic-
# Segmentation@HRNet-OCR README).
# Differences from the official code, without an expected effect: its learning rate falls an iteration later, and its
# heads start from random biases and a smaller 3x3 convolution.
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_4xb3-120k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/ocrnet_hrnetv2.py',
    '../_base_/datasets/cityscapes_official.py',
    '../_base_/schedules/segmentation_120k.py',
    '../_base_/mmseg_runtime.py',
]
heads = _base_.model.decode_head
model = dict(decode_head=[dict(head, loss_decode=dict(head.loss_decode, class_weight='cityscapes')) for head in heads])
tta_model = _base_.official_test
