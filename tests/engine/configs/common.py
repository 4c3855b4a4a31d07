# What the four tiny trainings share: two epochs of two iterations on the CPU, on the data that conftest.py makes.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.001, momentum=0.9))
param_scheduler = dict(type='MultiStepLR', milestones=[1])
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', interval=1),
)
auto_scale_lr = dict(base_batch_size=4)
randomness = dict(seed=0)
