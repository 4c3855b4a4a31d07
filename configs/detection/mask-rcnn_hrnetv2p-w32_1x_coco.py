# Mask R-CNN on HRNetV2p-W32, 1x: mask AP 36.7 and box AP 40.9 on val2017 (TPAMI table X); mask AP 36.8 and box AP 40.7
# on val2017 (TPAMI Appendix E); mask AP 36.8 and box AP 40.7 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/mask-rcnn_hrnetv2p-w32_1x_coco.py
_base_ = [
    '../_base_/models/mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_1x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
