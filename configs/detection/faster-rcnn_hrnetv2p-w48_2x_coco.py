# Faster R-CNN on HRNetV2p-W48, 2x: box AP 41.8 on val2017 (TPAMI table VIII); box AP 42.4 on test-dev2017 (TPAMI table
# XI); box AP 41.5 on val2017 (HRNet-Object-Detection README).
# Steps 20 and 23 as published; mmdet steps at 16 and 22.
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w48_2x_coco.py
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_detection_official.py',
    '../_base_/schedules/detection_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w48', pretrained=_base_.imagenet_weights.w48), neck=dict(arch='w48'))
