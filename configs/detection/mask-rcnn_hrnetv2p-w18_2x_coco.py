# Mask R-CNN on HRNetV2p-W18, 2x: mask AP 35.3 and box AP 39.2 on val2017 (TPAMI table X); mask AP 35.7 and box AP 39.2
# on val2017 (TPAMI Appendix E); mask AP 35.7 and box AP 39.2 on val2017 (HRNet-Object-Detection README).
# Steps 20 and 23 as published; mmdet steps at 16 and 22: see mask-rcnn_hrnetv2p-w18_2x-mmdet_coco.py.
# Command: python tools/train.py configs/detection/mask-rcnn_hrnetv2p-w18_2x_coco.py
_base_ = [
    '../_base_/models/mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
