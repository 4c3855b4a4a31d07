# Face landmarks: heat-maps on HRNetV2, 189 points in 114 -> 28 photographs of different people (docs/learn.md). The
# error is in shares of the distance between points 0 and 1, the pupils.
# Command: python tools/learn.py frl189, or python tools/train.py configs/learn/td-hm_hrnetv2_frl189.py
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
# Which point takes which one's place in the mirror.
# fmt: off
mirror = [
    1, 0, 10, 17, 16, 15, 14, 13, 12, 11, 2, 9, 8, 7, 6, 5, 4, 3, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 33,
    32, 31, 30, 29, 28, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 49, 48, 47, 46, 45, 44, 56, 57, 58, 59, 60, 55,
    50, 51, 52, 53, 54, 66, 67, 68, 69, 70, 61, 62, 63, 64, 65, 82, 81, 80, 79, 78, 77, 76, 75, 74, 73, 72, 71,
    86, 85, 84, 83, 93, 92, 91, 90, 89, 88, 87, 98, 97, 96, 95, 94, 103, 102, 101, 100, 99, 108, 107, 106, 105,
    104, 112, 113, 114, 109, 110, 111, 120, 121, 122, 123, 124, 115, 116, 117, 118, 119, 133, 132, 131, 130,
    129, 128, 127, 126, 125, 144, 143, 142, 141, 140, 139, 138, 137, 136, 135, 134, 157, 156, 155, 154, 153,
    152, 151, 150, 149, 148, 147, 146, 145, 161, 162, 163, 158, 159, 160, 167, 168, 169, 164, 165, 166, 172,
    173, 170, 171, 174, 175, 178, 177, 176, 182, 181, 180, 179, 184, 183, 187, 188, 185, 186,
]
# fmt: on
dataset = dict(
    data_root='{{$HRNET_MM_DATA:data/learn}}/faces_frl189',
    metainfo=dict(
        _delete_=True,
        dataset_name='frl189',
        keypoint_info={
            i: dict(id=i, name=f'frl_{i}', swap=f'frl_{other}' if other != i else '', type='', color=[255, 128, 0])
            for i, other in enumerate(mirror)
        },
        skeleton_info={},
        joint_weights=[1.0] * 189,
        sigmas=[0.025] * 189,
    ),
)
train_dataloader = dict(batch_size=8, dataset=dict(**dataset, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(**dataset, ann_file='val.json', pipeline=test_pipeline))
test_evaluator = dict(keypoint_indices=[0, 1])
train_cfg = dict(max_iters=300)
param_scheduler = dict(total_steps=300)
