# 125 nuclei of one real microscopy image (hrnet_mm.data): left three quarters for training, right quarter for testing.
# Crops of 128 pixels are enlarged to 256, the test image by the same factor: nuclei are about 24 pixels wide.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='RandomCrop', crop_size=(128, 128)),
    dict(type='Resize', scale_factor=2.0),
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=2.0),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
dataset = dict(
    type='CocoDataset',
    data_root='data/demo/nuclei',
    data_prefix=dict(img='images'),
    metainfo=dict(classes=('nucleus',)),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(**dataset, ann_file='train.json', pipeline=train_pipeline),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, ann_file='test.json', test_mode=True, pipeline=test_pipeline),
)
test_evaluator = dict(type='CocoMetric', ann_file='data/demo/nuclei/test.json', metric=['bbox', 'segm'])
