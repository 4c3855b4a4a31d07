# HRNetV2-W48 with OHEM, official recipe: mIoU 43.1 on val (HRNet-Semantic-Segmentation@HRNet-OCR README); mIoU 44.2 on
# val (HRNet-Semantic-Segmentation@HRNet-OCR README).
# Command: python tools/train.py configs/segmentation/fcn_hr48_ohem-4xb4-152k_ade20k-520x520.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/ade20k_official.py',
    '../_base_/schedules/segmentation_ade20k.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(
    backbone=dict(align_corners=True),
    decode_head=dict(num_classes=150, align_corners=True, loss_decode=dict(thresh=0.9)),
)
