# The same with crops of 520, as the OCR branch trains it.
_base_ = './pascal-context_official.py'
pad = dict(type='Pad', size=(520, 520), pad_val=dict(img=0, seg=255))
crop = dict(type='RandomCrop', crop_size=(520, 520))
train_pipeline = [*_base_.train_pipeline[:3], pad, crop, *_base_.train_pipeline[5:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
