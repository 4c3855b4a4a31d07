# Faster R-CNN on HRNetV2p-W32, 2x, SyncBN and three training scales: box AP 42.6 on val2017 (HRNet-Object-Detection
# README).
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w32_syncbn-ms-2x_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Weights converted from HRNet-Object-Detection give its boxes. Differences that remain: an RoI narrower than a cell is
# widened to one; images are padded to the largest of a batch, in the development version of the authors to 1600x1024.
# No change of AP is expected beyond that between seeds.
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_detection_ms.py',
    '../_base_/schedules/detection_2x.py',
    '../_base_/mmdet_runtime.py',
]
sync = dict(type='SyncBN')
model = dict(
    backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32, norm_cfg=sync, norm_eval=False),
    neck=dict(arch='w32'),
)
