# HRNetV2-W48 + OCR, 59 classes, official recipe: mIoU (59 classes) 56.2 and mIoU (60 classes) 50.1 on val (TPAMI table
# V); mIoU (59 classes) 56.2 on val (HRNet-Semantic-Segmentation@HRNet-OCR README).
# 50.1 is the value of the 60-class training. The numbers are those of --tta: seven scales, windows, flip. Without
# --tta, mmseg's test with one scale. Difference from the official code, without an expected effect: convolutions that
# batch norm follows in its heads start from PyTorch's uniform distribution, here from Kaiming's normal.
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520.py
_base_ = [
    '../_base_/models/ocrnet_hrnetv2.py',
    '../_base_/datasets/pascal-context_59_ocr.py',
    '../_base_/schedules/segmentation_pascal-context_ocr.py',
    '../_base_/mmseg_runtime.py',
]
window = dict(crop_size=(520, 520), stride=(346, 346))
model = dict(
    decode_head=[dict(head, num_classes=59) for head in _base_.model.decode_head],
    test_cfg=dict(mode='slide', **window),
)
tta_model = _base_.official_test
