# The published 28e: 28 epochs, steps 24 and 27 (mmdet's steps).
_base_ = './detection_1x.py'
train_cfg = dict(max_epochs=28)
steps = dict(type='MultiStepLR', by_epoch=True, begin=0, end=28, milestones=[24, 27], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
