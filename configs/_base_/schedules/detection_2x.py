# The published 2x: 24 epochs, steps 20 and 23 (mmdet steps at 16 and 22).
_base_ = './detection_1x.py'
train_cfg = dict(max_epochs=24)
steps = dict(type='MultiStepLR', by_epoch=True, begin=0, end=24, milestones=[20, 23], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
