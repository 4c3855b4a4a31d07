# DEKR-W48 on COCO at 640x640: 8 x 5 images.
_base_ = './dekr_official_coco-512x512.py'
size = (640, 640)
encoding = dict(_base_.encoding, input_size=size, heatmap_size=(160, 160))
weights = dict(type='Pretrained', checkpoint=_base_.imagenet_weights.w48)
model = dict(
    backbone=dict(arch='w48', init_cfg=weights),
    head=dict(in_channels=720, num_heatmap_filters=48, decoder=encoding),
)
load = [dict(type='LoadImage'), dict(type='OfficialBottomupAffine', input_size=size), _base_.flip]
pipeline = [*load, dict(type='GenerateTarget', encoder=encoding), *_base_.pack]
train_dataloader = dict(batch_size=5, dataset=dict(pipeline=pipeline))
resize = dict(type='OfficialBottomupResize', input_size=size, rounded_scale=1)
val_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImage'), resize, _base_.pack_test]))
test_dataloader = val_dataloader
tta_pipeline = [dict(type='LoadImage'), dict(resize, scales=(0.5, 1, 2)), _base_.pack_test]
