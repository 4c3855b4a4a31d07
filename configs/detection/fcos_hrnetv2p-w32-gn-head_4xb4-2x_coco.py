# FCOS on HRNetV2p-W32, 5 levels, 2x: box AP 40.3 on val2017 (TPAMI Appendix E); box AP 40.3 on val2017
# (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w32-gn-head_4xb4-2x_coco.py
# The learning rate is for 16 images: 4 GPUs of 4; otherwise add --auto-scale-lr.
# Differences from HRNet-Object-Detection: mmdet's boxes, which end at the border of a pixel instead of in it. A
# training is expected to reach as much. Weights converted from that repository give its maps, and boxes that end up to
# a pixel of the file too early (AP slightly lower, most for small objects); its boxes with --cfg-options
# model.bbox_head.type=OfficialFCOSHead model.bbox_head.bbox_coder.type=OfficialPointCoder model.test_cfg.nms.offset=1.
_base_ = '../_base_/recipes/fcos_hrnetv2p_2x_coco.py'
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
