# HRNetV2-W48 + OCR, 60 classes, official recipe: mIoU (60 classes) 50.1 on val (HRNet-Semantic-Segmentation@HRNet-OCR
# README).
# The numbers are those of --tta: seven scales, windows, flip. Without --tta, mmseg's test with one scale. Difference
# from the official code, without an expected effect: convolutions that batch norm follows in its heads start from
# PyTorch's uniform distribution, here from Kaiming's normal.
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_4xb4-62k_pascal-context-520x520.py
_base_ = [
    '../_base_/models/ocrnet_hrnetv2.py',
    '../_base_/datasets/pascal-context_ocr.py',
    '../_base_/schedules/segmentation_pascal-context_ocr.py',
    '../_base_/mmseg_runtime.py',
]
window = dict(crop_size=(520, 520), stride=(346, 346))
model = dict(
    decode_head=[dict(head, num_classes=60) for head in _base_.model.decode_head],
    test_cfg=dict(mode='slide', **window),
)
tta_model = _base_.official_test
