# mmpretrain, "Customize Runtime Settings" and "Prepare Dataset": a training loop and a hook of one's own, and several
# labels an image, with the library's data set, head and metrics for them.
_base_ = ['mmpretrain::_base_/default_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain', 'shapes_extras'], allow_failed_imports=False)

data_preprocessor = dict(
    num_classes=3, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True, to_onehot=True
)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='HRNet', arch='test-w4'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='MultiLabelLinearClsHead',
        in_channels=32,
        num_classes=3,
        loss=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    ),
)
dataset = dict(
    type='MultiLabelDataset',
    data_root='data/shapes',
    metainfo=dict(classes=('square', 'round', 'large')),
)
meta_keys = ('sample_idx', 'img_path', 'ori_shape', 'img_shape')
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(
        **dataset,
        ann_file='train.json',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=64, crop_ratio_range=(0.7, 1.0)),
            dict(type='PackInputs', meta_keys=meta_keys),
        ],
    ),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(
        **dataset,
        ann_file='val.json',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=64),
            dict(type='PackInputs', meta_keys=meta_keys),
        ],
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='AveragePrecision'),
    dict(type='MultiLabelMetric', average='macro'),
]
test_evaluator = val_evaluator

train_cfg = dict(type='ShortenedLoop', max_iters=8, share=0.5, val_interval=2)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.001))
custom_hooks = [dict(type='CountBatchesHook')]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(by_epoch=False, interval=4))
