# Mask R-CNN on HRNetV2p-W40, 1x: not published by the authors; mmdet has box AP 42.1, mask AP 37.5 on val2017.
# Command: python tools/train.py configs/detection/mask-rcnn_hrnetv2p-w40_1x_coco.py
_base_ = [
    '../_base_/models/mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_1x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w40', pretrained=_base_.imagenet_weights.w40), neck=dict(arch='w40'))
