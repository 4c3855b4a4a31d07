# Cascade R-CNN on HRNetV2p-W40, 20e: not published by the authors; mmdet has box AP 43.8 on val2017.
# Command: python tools/train.py configs/detection/cascade-rcnn_hrnetv2p-w40_20e_coco.py
_base_ = [
    '../_base_/models/cascade-rcnn_hrnetv2p.py',
    'mmdet::_base_/datasets/coco_detection.py',
    '../_base_/schedules/detection_20e.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w40', pretrained=_base_.imagenet_weights.w40), neck=dict(arch='w40'))
