# PASCAL-Context, 59 classes, as in the official training: long side 260 to 1092, black padding, crops of 480, 4 x 4
# images. `load` and `pack` are the pieces of the pipeline around the cropping.
_base_ = 'mmseg::_base_/datasets/pascal_context_59.py'
scales = [(side, side) for side in [int(520 * s / 10 + 0.5) for s in range(5, 22)]]
load = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='RandomChoiceResize', scales=scales, keep_ratio=True),
]
pack = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
pad = dict(type='Pad', size=(480, 480), pad_val=dict(img=0, seg=255))
crop = dict(type='RandomCrop', crop_size=(480, 480))
train_pipeline = [*load, pad, crop, *pack]
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
test_scales = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
official_test = dict(scales=test_scales, base_size=520, crop_size=(480, 480), stride=(320, 320))
