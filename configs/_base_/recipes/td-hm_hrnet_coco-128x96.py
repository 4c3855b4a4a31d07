# The official recipe at 128x96: heatmaps of 32x24. Their sigma is not published; 1 keeps its share of the image.
_base_ = './td-hm_hrnet_coco-256x192.py'
codec = dict(type='MSRAHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=1)
model = dict(head=dict(decoder=codec))
affine = dict(type='TopdownAffine', input_size=codec['input_size'])
pack = dict(type='PackPoseInputs')
train_pipeline = [*_base_.augmentation, affine, dict(type='GenerateTarget', encoder=codec), pack]
val_pipeline = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), affine, pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=val_pipeline))
