# HigherHRNet on COCO at 640x640: 4 x 10 images.
_base_ = './higherhrnet_coco-512x512.py'
size = (640, 640)
encoding = dict(_base_.encoding, input_size=size, heatmap_sizes=[(160, 160), (320, 320)])
model = dict(head=dict(decoder=encoding))
load = [
    dict(type='LoadImage'),
    dict(type='BottomupRandomAffine', input_size=size),
    dict(type='RandomFlip', direction='horizontal'),
]
train_pipeline = [*load, dict(type='GenerateTarget', encoder=encoding), *_base_.pack]
image_keys = ('id', 'img_id', 'img_path', 'crowd_index', 'ori_shape', 'img_shape')
input_keys = ('input_size', 'input_center', 'input_scale', 'flip', 'flip_direction', 'flip_indices')
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='BottomupResize', input_size=size, size_factor=64, resize_mode='expand'),
    dict(type='PackPoseInputs', meta_keys=(*image_keys, *input_keys, 'raw_ann_info', 'skeleton_links')),
]
train_dataloader = dict(batch_size=10, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
