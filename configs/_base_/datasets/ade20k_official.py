# ADE20K as in the official training: long side 260 to 1092, black padding, crops of 520, 4 x 4 images.
_base_ = 'mmseg::_base_/datasets/ade20k.py'
scales = [(side, side) for side in [int(520 * s / 10 + 0.5) for s in range(5, 22)]]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='RandomChoiceResize', scales=scales, keep_ratio=True),
    dict(type='Pad', size=(520, 520), pad_val=dict(img=0, seg=255)),
    dict(type='RandomCrop', crop_size=(520, 520)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2080, 520), keep_ratio=True),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
tta_pipeline = test_pipeline
