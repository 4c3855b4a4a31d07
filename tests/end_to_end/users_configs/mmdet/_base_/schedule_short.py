train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=8, val_begin=2, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', begin=0, T_max=8, by_epoch=True, eta_min=1e-5),
]
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.0001, weight_decay=0.05))
auto_scale_lr = dict(enable=False, base_batch_size=16)
