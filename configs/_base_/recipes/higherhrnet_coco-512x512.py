# HigherHRNet-W32 on COCO at 512x512: heatmaps and tags at 1/4, heatmaps again at 1/2, 300 epochs of 4 x 12 images.
# Multi-scale test (--tta): scales 0.5, 1 and 2. All heatmaps are averaged at scale 1, whose tags are used.
_base_ = [
    'mmpose::body_2d_keypoint/associative_embedding/coco/ae_hrnet-w32_8xb24-300e_coco-512x512.py',
    '../datasets/bottom_up_pieces.py',
    '../models/imagenet_weights.py',
    '../reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'])
size = (512, 512)
order = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
decoding = dict(decode_topk=30, decode_keypoint_order=order)
encoding = dict(type='HigherHREmbedding', input_size=size, heatmap_sizes=[(128, 128), (256, 256)], **decoding)
head = dict(type='HigherHRHead', deconv_out_channels=[32], decoder=dict(encoding, _delete_=True))
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w32'), head=head)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=300, milestones=[200, 260], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=48)
load = [dict(type='LoadImage'), dict(type='OfficialBottomupAffine', input_size=size), _base_.flip]
train_pipeline = [*load, dict(type='GenerateTarget', encoder=encoding), *_base_.pack]
train_dataloader = dict(batch_size=12, dataset=dict(pipeline=train_pipeline))
resize = dict(type='OfficialBottomupResize', input_size=size)
val_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImage'), resize, _base_.pack_test]))
test_dataloader = val_dataloader
tta_pipeline = [dict(type='LoadImage'), dict(resize, scales=(0.5, 1, 2)), _base_.pack_test]
tta_model = dict(type='ScalePyramidTTA')
