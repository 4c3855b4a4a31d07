# Faster R-CNN on HRNetV2p-W40, 2x with mmdet's steps 16 and 22: box AP 42.1 on val2017 (mmdet).
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w40_1x-mmdet_coco.py
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p.py',
    'mmdet::_base_/datasets/coco_detection.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w40', pretrained=_base_.imagenet_weights.w40), neck=dict(arch='w40'))
