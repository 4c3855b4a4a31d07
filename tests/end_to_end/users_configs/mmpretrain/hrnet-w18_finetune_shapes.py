# mmpretrain, "Fine-tune": a child of the library's own HRNet config, which the drop-in alone changes; classes by
# folders (CustomDataset), a learning rate for the batch size in use, the best checkpoint, and a hook of one's own.
_base_ = 'mmpretrain::hrnet/hrnet-w18_4xb32_in1k.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain', 'shapes_extras'], allow_failed_imports=False)

model = dict(
    backbone=dict(arch='test-w4', frozen_stages=-1),
    neck=[dict(type='GlobalAveragePooling')],
    head=dict(in_channels=32, num_classes=2, topk=(1,)),
)
data_preprocessor = dict(num_classes=2)
data_root = 'data/shapes'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=64, backend='pillow'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=72, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=64),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=data_root,
        ann_file='',
        data_prefix='train',
        with_label=True,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=data_root,
        ann_file='',
        data_prefix='val',
        with_label=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0001))
param_scheduler = dict(_delete_=True, type='MultiStepLR', by_epoch=True, milestones=[15], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
auto_scale_lr = dict(base_batch_size=256)
custom_hooks = [dict(type='CountBatchesHook')]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, save_best='auto'))
randomness = dict(seed=0)
