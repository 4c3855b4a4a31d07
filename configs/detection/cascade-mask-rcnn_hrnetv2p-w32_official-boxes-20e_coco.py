# Cascade Mask R-CNN on HRNetV2p-W32, 20e: mask AP 38.5 and box AP 44.5 on val2017 (TPAMI table X); box AP 44.7 on
# test-dev2017 (TPAMI table XI); mask AP 38.5 and box AP 44.5 on val2017 (TPAMI Appendix E); mask AP 38.5 and box AP
# 44.5 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/cascade-mask-rcnn_hrnetv2p-w32_official-boxes-20e_coco.py
_base_ = [
    '../_base_/models/cascade-mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_20e.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
