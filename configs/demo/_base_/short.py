# Settings of the five demonstrations: a short training from random weights on the CPU, logs in files, no validation
# during training. The test part is evaluated once, at the end.
_base_ = '../../_base_/reliable_runtime.py'
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.01), clip_grad=dict(max_norm=10)
)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=-1, save_optimizer=False),
)
log_processor = dict(type='LogProcessor', by_epoch=False)
randomness = dict(seed=0)
