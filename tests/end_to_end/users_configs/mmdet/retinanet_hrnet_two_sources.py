# mmdet, "Customize datasets" (concatenation), "Customize runtime" (a loop, a hook and a metric of one's own). The
# _delete_ of norm_cfg is left over from a base that had one.
_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py']
custom_imports = dict(imports='balloon_extras', allow_failed_imports=False)
runner_type = 'hrnet_mm.ReliableRunner'

model = dict(
    backbone=dict(
        _delete_=True, type='hrnet_mm.HRNet', arch='test-w4', norm_cfg=dict(_delete_=True, type='BN', momentum=0.01)
    ),
    neck=dict(_delete_=True, type='hrnet_mm.HRNetV2pFPN', arch='test-w4', out_channels=32, stride=2, num_outs=5),
    bbox_head=dict(num_classes=1, in_channels=32, feat_channels=32, stacked_convs=1),
    test_cfg=dict(score_thr=0.0, max_per_img=10),
)

classes = ('balloon',)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(128, 96), keep_ratio=True),
    dict(type='PackDetInputs'),
]
first_dataset = dict(
    type='CocoDataset',
    metainfo=dict(classes=classes),
    data_root='data/balloon_a/',
    ann_file='train.json',
    data_prefix=dict(img='images/'),
    pipeline=train_pipeline,
)
second_dataset = dict(
    type='RepeatDataset',
    times=2,
    dataset=dict(
        type='CocoDataset',
        metainfo=dict(classes=classes),
        data_root='data/balloon_b/',
        ann_file='train.json',
        data_prefix=dict(img='images/'),
        pipeline=train_pipeline,
    ),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[first_dataset, second_dataset]),
)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(128, 96), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        metainfo=dict(classes=classes),
        data_root='data/balloon_a/',
        ann_file='val.json',
        data_prefix=dict(img='images/'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='CocoMetric', ann_file='data/balloon_a/val.json', metric='bbox', classwise=True),
    dict(type='BoxCountMetric'),
]
test_evaluator = val_evaluator

train_cfg = dict(_delete_=True, type='TwicePerEpochLoop', max_epochs=2, repeats=2, val_interval=2)
param_scheduler = None
custom_hooks = [dict(type='CountCallsHook', interval=2, priority='LOW')]
default_hooks = dict(logger=dict(interval=1))
