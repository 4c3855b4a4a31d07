# HigherHRNet on COCO at 640x640: 4 x 10 images.
_base_ = './higherhrnet_coco-512x512.py'
size = (640, 640)
encoding = dict(_base_.encoding, input_size=size, heatmap_sizes=[(160, 160), (320, 320)])
model = dict(head=dict(decoder=encoding))
load = [dict(type='LoadImage'), dict(type='OfficialBottomupAffine', input_size=size), _base_.flip]
train_pipeline = [*load, dict(type='GenerateTarget', encoder=encoding), *_base_.pack]
train_dataloader = dict(batch_size=10, dataset=dict(pipeline=train_pipeline))
resize = dict(type='OfficialBottomupResize', input_size=size)
val_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImage'), resize, _base_.pack_test]))
test_dataloader = val_dataloader
tta_pipeline = [dict(type='LoadImage'), dict(resize, scales=(0.5, 1, 2)), _base_.pack_test]
auto_scale_lr = dict(base_batch_size=40)
