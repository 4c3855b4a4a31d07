# Semantic segmentation: FCN decoder on HRNetV2, nucleus or background in 240 -> 60 microscopy images of many kinds
# (docs/learn.md). Crops of 128 pixels are enlarged to 192, and test images by the same factor.
# Command: python tools/research/learn.py nuclei, or python tools/train.py configs/learn/fcn_hrnetv2_dsb2018.py
_base_ = '../demo/fcn_hrnetv2_nuclei.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'])
model = dict(data_preprocessor=dict(mean=[44.0] * 3, std=[69.0] * 3, size=(192, 192)))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(128, 128)),
    dict(type='Resize', scale_factor=1.5, keep_ratio=True),
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=1.5, keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
dataset = dict(
    type='CocoSegDataset',
    data_root='{{$HRNET_MM_DATA:data/learn}}/nuclei_dsb2018',
    data_prefix=dict(img_path='images', seg_map_path='semantic'),
)
train_dataloader = dict(batch_size=8, dataset=dict(**dataset, ann_file='train.json', pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(**dataset, ann_file='val.json', pipeline=test_pipeline))
train_cfg = dict(max_iters=300)
param_scheduler = dict(total_steps=300)
