"""mmseg's DeepLabV3 with HRNet in place of ResNet, by epochs in place of iterations, tested by two metrics."""

_base_ = 'mmseg::deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py'

crop_size = (64, 64)
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(size=crop_size),
    pretrained=None,
    backbone=dict(_delete_=True, type='hrnet_mm.HRNet', arch='test-w4', norm_cfg=norm_cfg),
    decode_head=dict(in_channels=32, in_index=3, channels=8, dilations=(1, 2), norm_cfg=norm_cfg),
    auxiliary_head=dict(in_channels=16, in_index=2, channels=8, norm_cfg=norm_cfg),
    # The base's test_cfg is dict(mode='whole').
    test_cfg=dict(_delete_=True, mode='slide', crop_size=crop_size, stride=(32, 32)),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(128, 64), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='Pad', size=crop_size),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(128, 64), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
dataset_train = dict(
    type='PascalVOCDataset',
    data_root='data/VOCdevkit/VOC2012',
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    ann_file='ImageSets/Segmentation/train.txt',
    pipeline=train_pipeline,
)
dataset_aug = dict(
    type='PascalVOCDataset',
    data_root='data/VOCdevkit/VOC2012',
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
    ann_file='ImageSets/Segmentation/aug.txt',
    pipeline=train_pipeline,
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        # _delete_ has nothing to delete here: it is left over from another config.
        datasets=[dict(_delete_=True, type='RepeatDataset', times=2, dataset=dataset_train), dataset_aug],
    ),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='IoUMetric', iou_metrics=['mIoU']),
    dict(type='IoUMetric', iou_metrics=['mFscore'], prefix='second'),
]
test_evaluator = val_evaluator

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.0)}),
    accumulative_counts=3,
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4),
    dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=1, end=2, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=2, val_interval=2)
log_processor = dict(by_epoch=True)
default_hooks = dict(
    logger=dict(interval=1, log_metric_by_epoch=True),
    checkpoint=dict(by_epoch=True, interval=1, save_best=['mIoU', 'second/mFscore'], rule='greater'),
)
