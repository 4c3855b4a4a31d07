# Faster R-CNN on HRNetV2p-W18, 2x with mmdet's steps 16 and 22: box AP 38.9 on val2017 (mmdet).
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w18_1x-mmdet_coco.py
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p.py',
    'mmdet::_base_/datasets/coco_detection.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
