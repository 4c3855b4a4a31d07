_base_ = './common.py'
default_scope = 'mmpose'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)

data_root = '{{$TINY_DATA:.}}'
codec = dict(type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=1)
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', mean=[128.0] * 3, std=[64.0] * 3),
    backbone=dict(type='HRNet', arch='test-w4'),
    head=dict(
        type='HeatmapHead',
        in_channels=4,
        out_channels=17,
        deconv_out_channels=None,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=False),
)
pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=(64, 64)),
]
dataset = dict(
    type='CocoDataset',
    data_root=data_root,
    data_mode='topdown',
    ann_file='annotations.json',
    data_prefix=dict(img='images/'),
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        pipeline=[*pipeline, dict(type='GenerateTarget', encoder=codec), dict(type='PackPoseInputs')], **dataset
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(test_mode=True, pipeline=[*pipeline, dict(type='PackPoseInputs')], **dataset),
)
test_evaluator = dict(type='CocoMetric', ann_file=data_root + '/annotations.json')
visualizer = dict(type='PoseLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
default_hooks = dict(visualization=dict(type='PoseVisualizationHook'))
