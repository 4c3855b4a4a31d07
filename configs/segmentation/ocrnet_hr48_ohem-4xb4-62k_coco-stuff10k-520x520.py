# HRNetV2-W48 + OCR with OHEM, official recipe: mIoU 39.7 on val (HRNet-Semantic-Segmentation@HRNet-OCR README); mIoU
# 40.6 on val (HRNet-Semantic-Segmentation@HRNet-OCR README).
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_ohem-4xb4-62k_coco-stuff10k-520x520.py
_base_ = [
    '../_base_/models/ocrnet_hrnetv2.py',
    '../_base_/datasets/coco-stuff10k_official.py',
    '../_base_/schedules/segmentation_coco-stuff10k.py',
    '../_base_/mmseg_runtime.py',
]
heads = _base_.model.decode_head
model = dict(
    decode_head=[dict(head, num_classes=171, loss_decode=dict(head.loss_decode, thresh=0.9)) for head in heads]
)
