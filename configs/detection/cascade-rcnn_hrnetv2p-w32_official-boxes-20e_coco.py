# Cascade R-CNN on HRNetV2p-W32, 20e: box AP 43.7 on val2017 (TPAMI table VIII); box AP 43.7 on test-dev2017 (TPAMI
# table XI); box AP 43.7 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/cascade-rcnn_hrnetv2p-w32_official-boxes-20e_coco.py
_base_ = [
    '../_base_/models/cascade-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_detection_official.py',
    '../_base_/schedules/detection_20e.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
