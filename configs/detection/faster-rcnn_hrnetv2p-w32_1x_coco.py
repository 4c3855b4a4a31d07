# Faster R-CNN on HRNetV2p-W32, 1x: box AP 39.6 on val2017 (TPAMI table VIII); box AP 39.5 on test-dev2017 (TPAMI table
# XI); box AP 39.5 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w32_1x_coco.py
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_detection_official.py',
    '../_base_/schedules/detection_1x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
