# COCO boxes as in the official loaders. Training images are resized to one of three scales, and cropped to 1200x800
# (a portrait to 800x1200) around one of their boxes.
_base_ = './coco_detection_official.py'
scales = dict(type='RandomChoiceResize', scales=[(1400, 600), (1400, 800), (1400, 1000)], keep_ratio=True)
crop = dict(type='BoxCenteredCrop', size=(1200, 800))
train_pipeline = [*_base_.load, _base_.inclusive, scales, crop, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
