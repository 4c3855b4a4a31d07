# FCOS on HRNetV2p-W32, its authors' recipe, 5 levels, 2x, multi-scale: box AP 41.9 on val2017 (TPAMI table IX); box AP
# 41.9 on minival (HRNet-FCOS README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w32_bgr255-ms-2x_coco.py
_base_ = '../_base_/models/fcos_hrnetv2p_bgr255_coco.py'
model = dict(
    backbone=dict(arch='w32', pretrained='open-mmlab://msra/hrnetv2_w32'),
    neck=dict(arch='w32'),
)
resize = dict(type='RandomResize', scale=[(1333, 640), (1333, 800)], keep_ratio=True)
train_pipeline = [*_base_.train_pipeline[:2], resize, *_base_.train_pipeline[3:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
