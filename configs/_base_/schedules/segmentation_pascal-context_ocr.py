# The official schedule of PASCAL-Context with OCR: 200 epochs of 312 iterations, head at ten times the rate.
_base_ = './segmentation_120k.py'
max_iters = 200 * 312
optim_wrapper = dict(
    optimizer=dict(lr=0.001, weight_decay=0.0001), paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10)))
)
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=1, end=max_iters + 2, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 10)
default_hooks = dict(checkpoint=dict(interval=max_iters // 10))
auto_scale_lr = dict(base_batch_size=16)
