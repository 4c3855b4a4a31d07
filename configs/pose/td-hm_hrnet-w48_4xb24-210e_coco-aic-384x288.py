# HRNetV1-W48, official recipe with AI Challenger as extra data: AP 77.0 on test-dev2017 (TPAMI table II); AP 77.0 on
# test-dev2017 (pose README).
# The options of the test-dev run are those of td-hm_hrnet-w48_4xb24-210e_coco-384x288.py.
# AI Challenger's 12 common joints are mapped to COCO's 17; how the authors mixed the two is not published.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_4xb24-210e_coco-aic-384x288.py
_base_ = './td-hm_hrnet-w48_4xb24-210e_coco-384x288.py'
pairs = [(0, 6), (1, 8), (2, 10), (3, 5), (4, 7), (5, 9), (6, 12), (7, 14), (8, 16), (9, 11), (10, 13), (11, 15)]
aic = dict(
    type='AicDataset',
    data_root='data/aic/',
    data_mode='topdown',
    ann_file='annotations/aic_train.json',
    data_prefix=dict(img='ai_challenger_keypoint_train_20170902/keypoint_train_images_20170902/'),
    pipeline=[dict(type='KeypointConverter', num_keypoints=17, mapping=pairs)],
)
coco = dict(_base_.train_dataloader.dataset, pipeline=[])
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CombinedDataset',
        metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
        datasets=[coco, aic],
        pipeline=_base_.train_pipeline,
    )
)
