# The published 20e: 20 epochs, steps 16 and 19 (mmdet's steps).
_base_ = './detection_1x.py'
train_cfg = dict(max_epochs=20)
steps = dict(type='MultiStepLR', by_epoch=True, begin=0, end=20, milestones=[16, 19], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
