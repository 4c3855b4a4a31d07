# COCO boxes as in the official loaders, for schedules counted in iterations.
_base_ = './coco_detection_official.py'
train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True))
