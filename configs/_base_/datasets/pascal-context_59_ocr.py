# PASCAL-Context, 59 classes, with crops of 520, as in the official training of the OCR branch.
_base_ = './pascal-context_59_official.py'
pad = dict(type='Pad', size=(520, 520), pad_val=dict(img=0, seg=255))
crop = dict(type='RandomCrop', crop_size=(520, 520))
train_pipeline = [*_base_.load, pad, crop, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
official_test = dict(crop_size=(520, 520), stride=(346, 346))
