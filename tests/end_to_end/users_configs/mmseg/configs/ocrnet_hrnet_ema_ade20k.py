"""mmseg's OCRNet config with this package's name for the backbone: averaged weights, dynamic validation intervals."""

_base_ = 'mmseg::ocrnet/ocrnet_hr18_4xb4-80k_ade20k-512x512.py'
runner_type = 'hrnet_mm.ReliableRunner'

crop_size = (64, 64)
norm_cfg = dict(type='BN', requires_grad=True)
widths = [4, 8, 16, 32]
model = dict(
    data_preprocessor=dict(size=crop_size),
    pretrained=None,
    backbone=dict(_delete_=True, type='hrnet_mm.HRNet', arch='test-w4', fuse_upsample='bilinear', norm_cfg=norm_cfg),
    decode_head=[
        dict(
            type='FCNHead',
            in_channels=widths,
            channels=sum(widths),
            in_index=(0, 1, 2, 3),
            input_transform='resize_concat',
            kernel_size=1,
            num_convs=1,
            concat_input=False,
            dropout_ratio=-1,
            num_classes=150,
            norm_cfg=norm_cfg,
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4),
        ),
        dict(
            type='OCRHead',
            in_channels=widths,
            in_index=(0, 1, 2, 3),
            input_transform='resize_concat',
            channels=16,
            ocr_channels=8,
            dropout_ratio=-1,
            num_classes=150,
            norm_cfg=norm_cfg,
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
        ),
    ],
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='RandomResize', scale=(128, 64), ratio_range=(0.8, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(128, 64), keep_ratio=True),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=2, num_workers=1, persistent_workers=True, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_iters=6, val_interval=3, dynamic_intervals=[(5, 1)])
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.1, update_buffers=True)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=3, save_best='mIoU'))
