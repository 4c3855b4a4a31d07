# COCO boxes that contain their last pixel, as in the official loaders.
_base_ = ['mmdet::_base_/datasets/coco_detection.py', './coco_detection_pieces.py']
train_pipeline = [*_base_.load, _base_.inclusive, _base_.resize, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
