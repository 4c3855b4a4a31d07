# HRNetV2-W48 + OCR, 59 classes, official recipe: mIoU (59 classes) 56.2 and mIoU (60 classes) 50.1 on val (TPAMI table
# V); mIoU (59 classes) 56.2 on val (HRNet-Semantic-Segmentation@HRNet-OCR README).
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
tta_model = dict(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 2.0), base_size=520, **window)
