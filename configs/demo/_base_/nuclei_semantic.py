# Nucleus or background in one real microscopy image (hrnet_mm.data): left three quarters for training, right quarter
# for testing. Crops of 128 pixels are enlarged to 256, the test image by the same factor.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(128, 128)),
    dict(type='Resize', scale_factor=2.0, keep_ratio=True),
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=2.0, keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
dataset = dict(
    type='BaseSegDataset',
    data_root='data/demo/nuclei',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    img_suffix='.png',
    seg_map_suffix='.png',
    metainfo=dict(classes=('background', 'nucleus')),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(**dataset, ann_file='train.txt', pipeline=train_pipeline),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, ann_file='test.txt', pipeline=test_pipeline),
)
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
