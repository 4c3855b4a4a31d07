# COCO boxes. Training images are resized to one of the three published scales.
_base_ = ['mmdet::_base_/datasets/coco_detection.py', './coco_detection_pieces.py']
resize = dict(type='RandomChoiceResize', scales=[(1600, 1000), (1000, 600), (1333, 800)], keep_ratio=True)
train_pipeline = [*_base_.load, resize, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
