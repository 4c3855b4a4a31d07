# HRNetV2-W48 + OCR, official recipe: mIoU 81.6 on val (TPAMI table III); mIoU 81.6 on val (HRNet-Semantic-
# Segmentation@HRNet-OCR README).
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_4xb3-120k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/ocrnet_hrnetv2.py',
    '../_base_/datasets/cityscapes_official.py',
    '../_base_/schedules/segmentation_120k.py',
    '../_base_/segmentation.py',
]
heads = _base_.model.decode_head
weighted = [dict(head.loss_decode, class_weight='cityscapes') for head in heads]
model = dict(decode_head=[dict(head, loss_decode=loss) for head, loss in zip(heads, weighted, strict=True)])
tta_model = dict(type='OfficialTTA', scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=True)
