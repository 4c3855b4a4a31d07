# COCO boxes. Training images are resized at random and cropped to 1200x800. The range of the resizing is not
# published: these are the three scales of multi-scale training.
_base_ = './coco_detection_ms.py'
crop = dict(type='RandomCrop', crop_size=(800, 1200))
train_pipeline = [*_base_.load, _base_.resize, crop, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
