# HRNetV2-W48 + OCR on train + val: mIoU 82.5 on test (TPAMI table IV); mIoU 82.3 on test (HRNet-Semantic-
# Segmentation@HRNet-OCR README).
# The numbers are those of --tta. Difference from the official code, without an expected effect: convolutions that batch
# norm follows in its heads start from PyTorch's uniform distribution, here from Kaiming's normal.
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_trainval-4xb3-140k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/ocrnet_hrnetv2.py',
    '../_base_/datasets/cityscapes_trainval_official.py',
    '../_base_/schedules/segmentation_cityscapes_trainval.py',
    '../_base_/mmseg_runtime.py',
]
heads = _base_.model.decode_head
model = dict(decode_head=[dict(head, loss_decode=dict(head.loss_decode, class_weight='cityscapes')) for head in heads])
tta_model = _base_.official_test
