# Mask R-CNN on HRNetV2p-W40, 2x: not published by the authors; mmdet has box AP 42.8, mask AP 38.2 on val2017 with its
# own 2x.
# Steps 20 and 23 as published; mmdet steps at 16 and 22: see mask-rcnn_hrnetv2p-w40_2x-mmdet_coco.py.
# Command: python tools/train.py configs/detection/mask-rcnn_hrnetv2p-w40_2x_coco.py
_base_ = [
    '../_base_/models/mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w40', pretrained=_base_.imagenet_weights.w40), neck=dict(arch='w40'))
