# The official schedule of Cityscapes train + val: 484 epochs of 289 iterations.
_base_ = './segmentation_120k.py'
max_iters = 484 * 289
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=0.0005))
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=1, end=max_iters + 2, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 10)
default_hooks = dict(checkpoint=dict(interval=max_iters // 10))
