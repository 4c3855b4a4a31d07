# Animal pose: top-down heatmaps on HRNetV1, four points of a mouse in 93 -> 23 frames of DeepLabCut's open field
# (docs/learn.md). The box is the whole frame, so PCK at 0.05 is PCK at 5 % of the frame's width.
# Command: python tools/research/learn.py openfield, or python tools/train.py configs/learn/td-hm_hrnetv1_openfield.py
_base_ = '../demo/td-hm_hrnetv1_people.py'
codec = dict(type='MSRAHeatmap', input_size=(192, 144), heatmap_size=(48, 36), sigma=1.5, unbiased=True)
model = dict(
    data_preprocessor=dict(mean=[173.0] * 3, std=[50.0] * 3),  # of the training part
    head=dict(out_channels=4, decoder=codec),
)
box = dict(type='GetBBoxCenterScale', padding=1.0)
train_pipeline = [
    dict(type='LoadImage'),
    box,
    dict(type='RandomFlip', direction=['horizontal', 'vertical'], prob=[0.3, 0.3]),
    dict(type='RandomBBoxTransform', shift_factor=0.1, rotate_factor=90.0, rotate_prob=0.7, scale_factor=(0.8, 1.2)),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PhotometricDistortion'),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    box,
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
swaps = dict(snout='', leftear='rightear', rightear='leftear', tailbase='')
links = [('snout', 'leftear'), ('snout', 'rightear'), ('leftear', 'tailbase'), ('rightear', 'tailbase')]
dataset = dict(
    data_root='{{$HRNET_MM_DATA:data/learn}}/pose_mouse/openfield',
    metainfo=dict(
        dataset_name='openfield',
        keypoint_info={
            i: dict(id=i, name=name, swap=swap, type='', color=[255, 128, 0])
            for i, (name, swap) in enumerate(swaps.items())
        },
        skeleton_info={i: dict(id=i, link=link, color=[255, 128, 0]) for i, link in enumerate(links)},
        joint_weights=[1.0] * 4,
        sigmas=[0.025] * 4,
    ),
)
train_dataloader = dict(batch_size=8, dataset=dict(**dataset, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(**dataset, ann_file='val.json', pipeline=test_pipeline))
test_evaluator = dict(_delete_=True, type='PCKAccuracy', thr=0.05)
train_cfg = dict(max_iters=180)
param_scheduler = dict(total_steps=180)
