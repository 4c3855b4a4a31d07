# maskrcnn-benchmark's 1x in iterations of 16 images: 90,000, steps 60,000 and 80,000, warm-up from a third. A parameter
# with `bias` in its name has twice the learning rate, and no weight decay.
_base_ = './detection_1x.py'
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=90_000, val_interval=90_000)
biases = dict(lr_mult=2.0, decay_mult=0.0)
optim_wrapper = dict(clip_grad=None, paramwise_cfg=dict(custom_keys=dict(bias=biases)))
steps = dict(type='MultiStepLR', by_epoch=False, begin=0, end=90_000, milestones=[60_000, 80_000], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
