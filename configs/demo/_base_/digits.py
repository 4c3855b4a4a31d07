# 5,000 real handwritten digits of 28 x 28 pixels (hrnet_mm.data): 4,000 for training and 1,000 for testing. They are
# enlarged because HRNet's finest branch has a quarter of the input's resolution.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=56),
    dict(type='Rotate', angle=10.0, prob=0.7, pad_val=0),
    dict(type='RandomCrop', crop_size=56, padding=4),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=56), dict(type='PackInputs')]
dataset = dict(
    type='CustomDataset',
    data_root='data/demo/digits',
    data_prefix='images',
    classes=[str(digit) for digit in range(10)],
)
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(**dataset, ann_file='train.txt', pipeline=train_pipeline),
)
test_dataloader = dict(
    batch_size=100,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, ann_file='test.txt', pipeline=test_pipeline),
)
test_evaluator = dict(type='Accuracy', topk=(1,))
