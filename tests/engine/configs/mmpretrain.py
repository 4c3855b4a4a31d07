_base_ = './common.py'
default_scope = 'mmpretrain'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain'], allow_failed_imports=False)

data_preprocessor = dict(num_classes=2, mean=[128.0] * 3, std=[64.0] * 3)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='HRNet', arch='test-w4'),
    neck=[dict(type='HRFuseScales', in_channels=(4, 8, 16, 32)), dict(type='GlobalAveragePooling')],
    head=dict(type='LinearClsHead', in_channels=2048, num_classes=2, loss=dict(type='CrossEntropyLoss'), topk=(1,)),
)
dataset = dict(
    type='CustomDataset',
    data_root='{{$TINY_DATA:.}}',
    data_prefix='images',
    ann_file='classes.txt',
    classes=['left', 'right'],
    pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
)
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True), dataset=dataset)
test_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset)
test_evaluator = dict(type='Accuracy', topk=(1,))
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
default_hooks = dict(visualization=dict(type='VisualizationHook'))
