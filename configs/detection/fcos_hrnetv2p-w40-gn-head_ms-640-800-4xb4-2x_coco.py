# FCOS on HRNetV2p-W40, 5 levels, 2x, multi-scale: not published by the authors; mmdet has box AP 42.7 on val2017.
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w40-gn-head_ms-640-800-4xb4-2x_coco.py
_base_ = '../_base_/models/fcos_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w40', pretrained='open-mmlab://msra/hrnetv2_w40'), neck=dict(arch='w40'))
train_cfg = dict(max_epochs=24)
steps = dict(type='MultiStepLR', by_epoch=True, begin=0, end=24, milestones=[16, 22], gamma=0.1)
param_scheduler = [_base_.param_scheduler[0], steps]
resize = dict(type='RandomChoiceResize', scales=[(1333, 640), (1333, 800)], keep_ratio=True)
train_pipeline = [*_base_.train_pipeline[:2], resize, *_base_.train_pipeline[3:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
