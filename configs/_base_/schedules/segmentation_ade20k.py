# The official schedule of ADE20K: 120 epochs of 1263 iterations.
_base_ = './segmentation_120k.py'
max_iters = 120 * 1263
optim_wrapper = dict(optimizer=dict(lr=0.02, weight_decay=0.0001))
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=1, end=max_iters + 2, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 10)
default_hooks = dict(checkpoint=dict(interval=max_iters // 10))
auto_scale_lr = dict(base_batch_size=16)
