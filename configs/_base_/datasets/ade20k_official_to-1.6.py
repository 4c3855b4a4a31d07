# ADE20K as in the official training without OCR, whose scales end at 1.6: long side 260 to 832.
_base_ = './ade20k_official.py'
scales = [(side, side) for side in [int(520 * s / 10 + 0.5) for s in range(5, 17)]]
train_pipeline = [*_base_.read_both, dict(type='RandomChoiceResize', scales=scales, keep_ratio=True), *_base_.crop]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
