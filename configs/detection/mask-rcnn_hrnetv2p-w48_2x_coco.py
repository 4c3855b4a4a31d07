# Mask R-CNN on HRNetV2p-W48, 2x: mask AP 38.3 and box AP 42.9 on val2017 (HRNet-Object-Detection README).
# Steps 20 and 23 as published; mmdet steps at 16 and 22.
# Command: python tools/train.py configs/detection/mask-rcnn_hrnetv2p-w48_2x_coco.py
_base_ = [
    '../_base_/models/mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w48', pretrained=_base_.imagenet_weights.w48), neck=dict(arch='w48'))
