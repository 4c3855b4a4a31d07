# FCOS on HRNetV2p-W32, its authors' recipe, 5 levels, 2x, multi-scale, SyncBN: box AP 42.5 on minival (HRNet-FCOS
# README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w32_bgr255-ms-syncbn-2x_coco.py
# The learning rate is for 16 images: 4 GPUs of 4; otherwise add --auto-scale-lr.
# Weights converted from HRNet-FCOS give its maps and the coding of its boxes. Differences that remain: OpenCV resizes
# the images, there PIL; candidates are ranked by class score before NMS, there multiplied by centerness; losses are
# divided by the mean number of positives over GPUs, there by a GPU's and its images; the IoU loss adds no 1 to areas.
# No change of AP is expected beyond that between seeds.
_base_ = '../_base_/recipes/fcos_hrnetv2p_bgr255-ms_coco.py'
sync = dict(type='SyncBN')
model = dict(
    backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32, norm_cfg=sync, norm_eval=False),
    neck=dict(arch='w32'),
)
