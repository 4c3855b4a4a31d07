# maskrcnn-benchmark's 2x: 180,000 iterations, steps 150,000 and 170,000.
_base_ = './detection_mrb_1x.py'
train_cfg = dict(max_iters=180_000, val_interval=180_000)
steps = dict(type='MultiStepLR', by_epoch=False, begin=0, end=180_000, milestones=[150_000, 170_000], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
