# Faster R-CNN on HRNetV2p-W18, 2x with mmdet's steps 16 and 22: box AP 38.9 on val2017 (mmdet).
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w18_2x-mmdet_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# mmdet's own model and schedule. Differences from the authors' faster-rcnn_hrnetv2p-w18_2x_coco.py: L1 loss, aligned
# RoIs with adaptive sampling, 1000 proposals, anchors across the border, boxes without + 1, no clipping of gradients;
# mmdet's box AP is 0.2 to 0.9 higher. Weights converted from the official repositories give boxes up to a pixel off:
# use that config for them.
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p.py',
    'mmdet::_base_/datasets/coco_detection.py',
    'mmdet::_base_/schedules/schedule_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
