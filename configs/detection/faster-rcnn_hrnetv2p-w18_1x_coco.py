# Faster R-CNN on HRNetV2p-W18, 1x: box AP 36.2 on val2017 (TPAMI table VIII); box AP 36.1 on val2017 (HRNet-Object-
# Detection README).
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w18_1x_coco.py
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_detection_official.py',
    '../_base_/schedules/detection_1x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
