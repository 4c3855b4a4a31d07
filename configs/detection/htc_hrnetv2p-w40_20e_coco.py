# HTC on HRNetV2p-W40, 20e: not published by the authors; mmdet has box AP 46.4, mask AP 40.8 on val2017.
# Command: python tools/train.py configs/detection/htc_hrnetv2p-w40_20e_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Losses, stages and schedule are the official ones. Differences from HRNet-Object-Detection: boxes without + 1, aligned
# RoIs with adaptive sampling, 1000 instead of 2000 proposals in test; for a training, AP is expected to be equal or
# slightly higher. Weights converted from that repository give boxes up to a pixel off, and by mmdet's note on such
# weights an AP within 1 of theirs; htc_hrnetv2p-w32_official-boxes-20e_coco.py gives their boxes.
_base_ = '../_base_/recipes/htc_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w40', pretrained=_base_.imagenet_weights.w40), neck=dict(arch='w40'))
