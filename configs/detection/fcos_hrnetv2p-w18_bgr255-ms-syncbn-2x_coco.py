# FCOS on HRNetV2p-W18, its authors' recipe, 5 levels, 2x, multi-scale, SyncBN: box AP 39.4 on minival (HRNet-FCOS
# README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w18_bgr255-ms-syncbn-2x_coco.py
_base_ = '../_base_/recipes/fcos_hrnetv2p_bgr255-ms_coco.py'
sync = dict(type='SyncBN')
model = dict(
    backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18, norm_cfg=sync, norm_eval=False),
    neck=dict(arch='w18'),
)
