# maskrcnn-benchmark's 3x: 270,000 iterations, steps 210,000 and 250,000 (customary; not published).
_base_ = './detection_mrb_1x.py'
train_cfg = dict(max_iters=270_000, val_interval=270_000)
steps = dict(type='MultiStepLR', by_epoch=False, begin=0, end=270_000, milestones=[210_000, 250_000], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
