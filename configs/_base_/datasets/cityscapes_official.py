# Cityscapes as in the official training: long side 1024 to 4300, black padding, no color changes, 4 x 3 images.
_base_ = 'mmseg::_base_/datasets/cityscapes.py'
scales = [(side, side) for side in [int(2048 * s / 10 + 0.5) for s in range(5, 22)]]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomChoiceResize', scales=scales, keep_ratio=True),
    dict(type='Pad', size=(1024, 512), pad_val=dict(img=0, seg=255)),  # width and height
    dict(type='RandomCrop', crop_size=(512, 1024)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=3, dataset=dict(pipeline=train_pipeline))
tta_pipeline = _base_.test_pipeline
# The official test: whole images up to scale 1, else windows of 1024 x 2048, the last ones moved inside the image.
test_scales = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
official_test = dict(scales=test_scales, crop_size=(1024, 2048), stride=(1024, 2048), pad_windows=False)
