# Cascade R-CNN on HRNetV2p-W48, 20e: box AP 44.6 on val2017 (TPAMI table VIII); box AP 44.8 on test-dev2017 (TPAMI
# table XI); box AP 44.6 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/cascade-rcnn_hrnetv2p-w48_20e_coco.py
_base_ = [
    '../_base_/models/cascade-rcnn_hrnetv2p.py',
    'mmdet::_base_/datasets/coco_detection.py',
    '../_base_/schedules/detection_20e.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w48', pretrained=_base_.imagenet_weights.w48), neck=dict(arch='w48'))
