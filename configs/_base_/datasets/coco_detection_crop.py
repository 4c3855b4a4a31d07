# COCO boxes, training images resized at random and cropped to 1200x800. How far they are resized is not published:
# the three scales of multi-scale training are taken.
_base_ = './coco_detection_ms.py'
crop = dict(type='RandomCrop', crop_size=(800, 1200))
train_pipeline = [*_base_.train_pipeline[:3], crop, *_base_.train_pipeline[3:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
