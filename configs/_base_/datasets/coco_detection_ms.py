# COCO boxes, training images resized to one of the three published scales.
_base_ = 'mmdet::_base_/datasets/coco_detection.py'
resize = dict(type='RandomChoiceResize', scales=[(1600, 1000), (1000, 600), (1333, 800)], keep_ratio=True)
train_pipeline = [*_base_.train_pipeline[:2], resize, *_base_.train_pipeline[3:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
