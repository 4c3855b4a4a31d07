# Mask R-CNN on HRNetV2p-W18, 2x: mask AP 35.3 and box AP 39.2 on val2017 (TPAMI table X); mask AP 35.7 and box AP 39.2
# on val2017 (TPAMI Appendix E); mask AP 35.7 and box AP 39.2 on val2017 (HRNet-Object-Detection README). mmdet's own
# recipe: mask-rcnn_hrnetv2p-w18_2x-mmdet_coco.py.
# Command: python tools/train.py configs/detection/mask-rcnn_hrnetv2p-w18_2x_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Weights converted from HRNet-Object-Detection give its boxes, and its masks but for the rim: pasted at fractional
# corners here, at whole pixels there (mask AP slightly higher here); NMS runs at the scale of the network here, of the
# file there. Differences that remain: an RoI narrower than a cell is widened to one; the released file trains 8 images
# at lr 0.01, half of both. No change of AP is expected beyond that between seeds.
_base_ = [
    '../_base_/models/mask-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_instance_official.py',
    '../_base_/schedules/detection_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
