# HRNetV2-W48, official recipe: mIoU 55.9 on val (TPAMI table VI); mIoU 56.04 on val (HRNet-Semantic-
# Segmentation@master README); mIoU 55.8 on val (HRNet-Semantic-Segmentation@pytorch-v1.1 README); mIoU 55.83 on val
# (HRNet-Semantic-Segmentation@HRNet-OCR README).
# The number is that of --tta: flip, with left and right labels swapped back.
# Command: python tools/train.py configs/segmentation/fcn_hr48_4xb10-114k_lip-473x473.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/lip.py',
    '../_base_/schedules/segmentation_lip.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(decode_head=dict(num_classes=20))
tta_model = dict(scales=(1.0,), swap_labels=[(14, 15), (16, 17), (18, 19)])
