# Rendered people on photographs (hrnet_mm.data): 1,500 images for training and 300 for testing, on other photographs.
codec = dict(type='MSRAHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2.0, unbiased=True)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomBBoxTransform', shift_prob=0.0, rotate_factor=15.0, rotate_prob=0.5, scale_factor=(0.9, 1.1)),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
dataset = dict(type='CocoDataset', data_root='data/demo/people', data_prefix=dict(img='images/'), data_mode='topdown')
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(**dataset, ann_file='train.json', pipeline=train_pipeline),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(**dataset, ann_file='test.json', test_mode=True, pipeline=test_pipeline),
)
test_evaluator = dict(type='CocoMetric', ann_file='data/demo/people/test.json')
