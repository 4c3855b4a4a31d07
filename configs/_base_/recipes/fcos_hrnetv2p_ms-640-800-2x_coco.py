# FCOS with group norm in the head, 2x. The short side of a training image is 640 or 800.
_base_ = './fcos_hrnetv2p_2x_coco.py'
scales = dict(type='RandomChoiceResize', scales=[(1333, 640), (1333, 800)], keep_ratio=True)
train_pipeline = [*_base_.load, scales, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
