# Face landmarks: heatmaps on HRNetV2, 189 points in 114 -> 28 photographs of different people (docs/learn.md). The
# error is a fraction of the distance between points 0 and 1, the pupils.
# Command: python tools/research/learn.py frl189, or python tools/train.py configs/learn/td-hm_hrnetv2_frl189.py
_base_ = ['../demo/td-hm_hrnetv2_faces.py']
codec = dict(type='MSRAHeatmap', input_size=(128, 160), heatmap_size=(32, 40), sigma=1.0, unbiased=True)
model = dict(
    data_preprocessor=dict(mean=[173.0] * 3, std=[58.0] * 3),  # of the training part
    head=dict(out_channels=189, decoder=codec),
)
box = dict(type='GetBBoxCenterScale', padding=1.1)
train_pipeline = [
    dict(type='LoadImage'),
    box,
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomBBoxTransform', shift_prob=0.0, rotate_factor=10.0, rotate_prob=0.5, scale_factor=(0.9, 1.1)),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    box,
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
dataset = dict(
    data_root='{{$HRNET_MM_DATA:data/learn}}/faces_frl189',
    metainfo=dict(from_file='{{ fileDirname }}/_base_/frl189.py'),
)
train_dataloader = dict(batch_size=8, dataset=dict(**dataset, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(**dataset, ann_file='val.json', pipeline=test_pipeline))
test_evaluator = dict(keypoint_indices=[0, 1])
train_cfg = dict(max_iters=300)
param_scheduler = dict(total_steps=300)
