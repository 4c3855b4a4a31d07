# PASCAL-Context, 60 classes, as the official code trains it: long side 260 to 1092, black padding, 4 x 4 images.
_base_ = 'mmseg::_base_/datasets/pascal_context.py'
scales = [(side, side) for side in [int(520 * s / 10 + 0.5) for s in range(5, 22)]]
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type='RandomChoiceResize', scales=scales, keep_ratio=True),
    dict(type='Pad', size=(480, 480), pad_val=dict(img=0, seg=255)),
    dict(type='RandomCrop', crop_size=(480, 480)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
tta_pipeline = _base_.test_pipeline
