# ADE20K as in the official training: long side 260 to 1092, black padding, crops of 520, 4 x 4 images.
_base_ = ['mmseg::_base_/datasets/ade20k.py', './segmentation_520_pieces.py']
scales = [(side, side) for side in [int(520 * s / 10 + 0.5) for s in range(5, 22)]]
train_pipeline = [*_base_.read_both, dict(type='RandomChoiceResize', scales=scales, keep_ratio=True), *_base_.crop]
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
test_pipeline = _base_.whole_image
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
# Padded to a multiple of 8 in the mean color. The official code stretches its scores, padding included, to the labels.
stretched = dict(type='Pad', size_divisor=8, pad_val=dict(img=(104, 116, 124), seg=255))
tta_pipeline = [*_base_.read, stretched, *_base_.annotate]
