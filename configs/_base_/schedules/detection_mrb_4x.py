# maskrcnn-benchmark's 4x: 360,000 iterations, steps 300,000 and 340,000 (customary; not published).
_base_ = './detection_mrb_1x.py'
train_cfg = dict(max_iters=360_000, val_interval=360_000)
steps = dict(type='MultiStepLR', by_epoch=False, begin=0, end=360_000, milestones=[300_000, 340_000], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
