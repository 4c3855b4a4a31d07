# FCOS as in its authors' code. The short side of a training image is between 640 and 800.
_base_ = './fcos_hrnetv2p_bgr255_coco.py'
scales = dict(type='RandomResize', scale=[(1333, 640), (1333, 800)], keep_ratio=True)
train_pipeline = [*_base_.load, _base_.inclusive, scales, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
