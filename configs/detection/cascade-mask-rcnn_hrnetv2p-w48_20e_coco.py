# Cascade Mask R-CNN on HRNetV2p-W48, 20e: mask AP 39.5 and box AP 46.0 on val2017 (TPAMI table X); box AP 46.1 on
# test-dev2017 (TPAMI table XI); mask AP 39.5 and box AP 46.0 on val2017 (TPAMI Appendix E); mask AP 39.5 and box AP
# 46.0 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/cascade-mask-rcnn_hrnetv2p-w48_20e_coco.py
_base_ = [
    '../_base_/models/cascade-mask-rcnn_hrnetv2p.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/detection_20e.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w48', pretrained=_base_.imagenet_weights.w48), neck=dict(arch='w48'))
