# Faster R-CNN on HRNetV2p-W32, 2x: box AP 40.9 on val2017 (TPAMI table VIII); box AP 41.1 on test-dev2017 (TPAMI table
# XI); box AP 40.8 on val2017 (HRNet-Object-Detection README).
# Steps 20 and 23 as published; mmdet steps at 16 and 22: see faster-rcnn_hrnetv2p-w32_2x-mmdet_coco.py.
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w32_2x_coco.py
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_detection_official.py',
    '../_base_/schedules/detection_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
