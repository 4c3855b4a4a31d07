# HRNetV2-W48 with OHEM, official recipe: mIoU 36.2 on val (HRNet-Semantic-Segmentation@HRNet-OCR README); mIoU 37.9 on
# val (HRNet-Semantic-Segmentation@HRNet-OCR README).
# Command: python tools/train.py configs/segmentation/fcn_hr48_ohem-4xb4-62k_coco-stuff10k-520x520.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/coco-stuff10k_official.py',
    '../_base_/schedules/segmentation_coco-stuff10k.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(
    backbone=dict(align_corners=True),
    decode_head=dict(num_classes=171, align_corners=True, loss_decode=dict(thresh=0.9)),
)
