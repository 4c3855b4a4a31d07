# PoseTrack 2017: 20 epochs at 1e-4. A box is that of the keypoints, 15 % larger (tools/prepare/posetrack17.py).
_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/posetrack18/td-hm_hrnet-w48_8xb64-20e_posetrack18-384x288.py',
    '../reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'])
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w48'))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=20, milestones=[10, 15], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=128)
root = 'data/posetrack17/'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale', padding=1.0),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', min_upper_keypoints=3, upper_prioritized_prob=0.6915),
    dict(type='OfficialBBoxTransform'),
    dict(type='TopdownAffine', input_size=_base_.codec.input_size),
    dict(type='GenerateTarget', encoder=_base_.codec),
    dict(type='PackPoseInputs'),
]
train = dict(data_root=root, ann_file='annotations/posetrack17_train.json', pipeline=train_pipeline)
train_dataloader = dict(batch_size=32, dataset=train)
boxes = root + 'annotations/posetrack17_val_human_detections.json'
val_dataloader = dict(dataset=dict(data_root=root, ann_file='annotations/posetrack17_val.json', bbox_file=boxes))
test_dataloader = val_dataloader
val_evaluator = dict(type='PoseTrackMetric', ann_file=root + 'annotations/posetrack17_val.json')
test_evaluator = val_evaluator
