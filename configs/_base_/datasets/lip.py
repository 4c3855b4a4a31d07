# LIP as in the official training: squares of 473, scaled by 0.5 to 1.6. A flip swaps left and right labels.
scales = [(side, side) for side in [int(473 * s / 10 + 0.5) for s in range(5, 17)]]
square = dict(type='Resize', scale=(473, 473), keep_ratio=False)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    square,
    dict(type='RandomChoiceResize', scales=scales, keep_ratio=True),
    dict(type='Pad', size=(473, 473), pad_val=dict(img=0, seg=255)),
    dict(type='RandomCrop', crop_size=(473, 473)),
    dict(type='RandomFlip', prob=0.5, swap_seg_labels=[(14, 15), (16, 17), (18, 19)]),
    dict(type='PackSegInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile'), square, dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
tta_pipeline = test_pipeline
official_test = dict(scales=(1.0,), swap_labels=[(14, 15), (16, 17), (18, 19)])
data = dict(type='LIPDataset', data_root='data/LIP/')
train = dict(data, data_prefix=dict(img_path='train_images', seg_map_path='train_segmentations'))
val = dict(data, data_prefix=dict(img_path='val_images', seg_map_path='val_segmentations'))
sampler = dict(type='InfiniteSampler', shuffle=True)
train_dataloader = dict(batch_size=10, num_workers=4, sampler=sampler, dataset=dict(train, pipeline=train_pipeline))
sampler = dict(type='DefaultSampler', shuffle=False)
val_dataloader = dict(batch_size=1, num_workers=4, sampler=sampler, dataset=dict(val, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
