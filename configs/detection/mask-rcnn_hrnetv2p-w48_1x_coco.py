# Mask R-CNN on HRNetV2p-W48, 1x: mask AP 38.1 and box AP 42.4 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/mask-rcnn_hrnetv2p-w48_1x_coco.py
_base_ = [
    '../_base_/models/mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_1x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w48', pretrained=_base_.imagenet_weights.w48), neck=dict(arch='w48'))
