# COCO boxes as in the official loaders. Training images are resized to one of the three published scales.
_base_ = './coco_detection_official.py'
scales = dict(type='RandomChoiceResize', scales=[(1600, 1000), (1000, 600), (1333, 800)], keep_ratio=True)
train_pipeline = [*_base_.load, _base_.inclusive, scales, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
