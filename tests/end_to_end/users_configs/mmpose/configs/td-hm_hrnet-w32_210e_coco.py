"""mmpose's own HRNet config with the drop-in line: dynamic intervals, and a learning rate scaled to the batch size."""

_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose', 'gestures.hooks'], allow_failed_imports=False)

model = dict(
    backbone=dict(
        extra=dict(
            stage1=dict(num_blocks=(1,), num_channels=(16,)),
            stage2=dict(num_blocks=(1, 1), num_channels=(4, 8)),
            stage3=dict(num_modules=1, num_blocks=(1, 1, 1), num_channels=(4, 8, 16)),
            stage4=dict(num_modules=1, num_blocks=(1, 1, 1, 1), num_channels=(4, 8, 16, 32)),
        ),
        init_cfg=None,
    ),
    head=dict(in_channels=4),
)
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False)
val_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=3, val_interval=3, dynamic_intervals=[(2, 1)])
param_scheduler = [dict(type='MultiStepLR', begin=0, end=210, milestones=[2, 200], gamma=0.1, by_epoch=True)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=2))
custom_hooks = [dict(type='CountingHook', priority='VERY_LOW')]
