# Mask R-CNN on HRNetV2p-W18, 1x: mask AP 33.8 and box AP 37.1 on val2017 (TPAMI table X); mask AP 34.2 and box AP 37.3
# on val2017 (TPAMI Appendix E); mask AP 34.2 and box AP 37.3 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/mask-rcnn_hrnetv2p-w18_1x_coco.py
_base_ = [
    '../_base_/models/mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_1x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
