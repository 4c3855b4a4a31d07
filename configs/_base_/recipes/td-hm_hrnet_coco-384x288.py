# The official recipe at 384x288: heatmaps of 96x72 with sigma 3.
_base_ = './td-hm_hrnet_coco-256x192.py'
codec = dict(type='MSRAHeatmap', input_size=(288, 384), heatmap_size=(72, 96), sigma=3)
model = dict(head=dict(decoder=codec))
affine = dict(type='TopdownAffine', input_size=codec['input_size'])
pack = dict(type='PackPoseInputs')
train_pipeline = [*_base_.augmentation, affine, dict(type='GenerateTarget', encoder=codec), pack]
val_pipeline = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), affine, pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=val_pipeline))
