# Mask R-CNN on HRNetV2p-W32, 2x: mask AP 37.6 and box AP 42.3 on val2017 (TPAMI table X); mask AP 37.6 and box AP 42.3
# on val2017 (TPAMI Appendix E); mask AP 37.6 and box AP 42.1 on val2017 (HRNet-Object-Detection README).
# Steps 20 and 23 as published; mmdet steps at 16 and 22: see mask-rcnn_hrnetv2p-w32_2x-mmdet_coco.py.
# Command: python tools/train.py configs/detection/mask-rcnn_hrnetv2p-w32_2x_coco.py
_base_ = [
    '../_base_/models/mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
