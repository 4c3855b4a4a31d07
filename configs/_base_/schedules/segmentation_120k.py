# The official schedule of Cityscapes: SGD, the rate falls to 0 with power 0.9, 484 epochs of 247 iterations. Rates are
# set after an iteration there, so that the first two are equal. PolyLR takes end - begin - 1 steps to eta_min.
_base_ = 'mmseg::_base_/schedules/schedule_160k.py'
max_iters = 484 * 247
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=1, end=max_iters + 2, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 10)
default_hooks = dict(checkpoint=dict(interval=max_iters // 10))
auto_scale_lr = dict(base_batch_size=12)
