# FCOS on HRNetV2p-W18, its authors' recipe, 5 levels, 2x, multi-scale, SyncBN: box AP 39.4 on minival (HRNet-FCOS
# README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w18_bgr255-ms-syncbn-2x_coco.py
_base_ = '../_base_/models/fcos_hrnetv2p_bgr255_coco.py'
sync = dict(type='SyncBN')
model = dict(
    backbone=dict(arch='w18', pretrained='open-mmlab://msra/hrnetv2_w18', norm_cfg=sync, norm_eval=False),
    neck=dict(arch='w18'),
)
resize = dict(type='RandomResize', scale=[(1333, 640), (1333, 800)], keep_ratio=True)
train_pipeline = [*_base_.train_pipeline[:2], resize, *_base_.train_pipeline[3:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
