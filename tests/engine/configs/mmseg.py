_base_ = './common.py'
default_scope = 'mmseg'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)

model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[128.0] * 3, std=[64.0] * 3, size=(64, 64), test_cfg=dict(size_divisor=1)
    ),
    backbone=dict(type='HRNet', arch='test-w4'),
    decode_head=dict(
        type='FCNHead',
        in_channels=[4, 8, 16, 32],
        in_index=[0, 1, 2, 3],
        input_transform='resize_concat',
        channels=60,
        kernel_size=1,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0,
        num_classes=2,
        norm_cfg=dict(type='BN'),
        align_corners=False,
    ),
    test_cfg=dict(mode='whole'),
)
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
dataset = dict(
    type='BaseSegDataset',
    data_root='{{$TINY_DATA:.}}',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    img_suffix='.png',
    seg_map_suffix='.png',
    metainfo=dict(classes=('background', 'square'), palette=[[0, 0, 0], [255, 255, 255]]),
    pipeline=pipeline,
)
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True), dataset=dataset)
test_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset)
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
default_hooks = dict(visualization=dict(type='SegVisualizationHook'))
