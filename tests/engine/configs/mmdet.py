_base_ = './common.py'
default_scope = 'mmdet'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)

data_root = '{{$TINY_DATA:.}}'
model = dict(
    type='FCOS',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[128.0] * 3, std=[64.0] * 3, pad_size_divisor=32),
    backbone=dict(type='HRNet', arch='test-w4', norm_eval=False),
    neck=dict(type='HRFPN', in_channels=[4, 8, 16, 32], out_channels=8, stride=2, num_outs=5),
    bbox_head=dict(
        type='FCOSHead',
        num_classes=1,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        norm_cfg=dict(type='BN'),
        strides=[8, 16, 32, 64, 128],
    ),
    test_cfg=dict(nms_pre=100, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=5),
)
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(128, 128), keep_ratio=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
dataset = dict(
    type='CocoDataset',
    data_root=data_root,
    ann_file='annotations.json',
    data_prefix=dict(img='images/'),
    metainfo=dict(classes=('person',)),
    pipeline=pipeline,
)
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True), dataset=dataset)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(test_mode=True, **dataset),
)
test_evaluator = dict(type='CocoMetric', ann_file=data_root + '/annotations.json', metric='bbox')
visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
default_hooks = dict(visualization=dict(type='DetVisualizationHook'))
