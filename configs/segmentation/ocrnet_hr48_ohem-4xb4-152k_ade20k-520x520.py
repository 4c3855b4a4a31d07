# HRNetV2-W48 + OCR with OHEM, official recipe: mIoU 44.5 on val (HRNet-Semantic-Segmentation@HRNet-OCR README); mIoU
# 45.5 on val (HRNet-Semantic-Segmentation@HRNet-OCR README).
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_ohem-4xb4-152k_ade20k-520x520.py
_base_ = [
    '../_base_/models/ocrnet_hrnetv2.py',
    '../_base_/datasets/ade20k_official.py',
    '../_base_/schedules/segmentation_ade20k.py',
    '../_base_/mmseg_runtime.py',
]
heads = _base_.model.decode_head
model = dict(
    decode_head=[dict(head, num_classes=150, loss_decode=dict(head.loss_decode, thresh=0.9)) for head in heads]
)
