# Associative embedding on HRNetV1-W32, 512x512: AP 64.1 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README).
# mmpose's configuration (AP 65.6 on val there), with the training pipeline that it leaves empty.
# Command: python tools/train.py configs/pose/ae_hrnet-w32_8xb24-300e_coco-512x512.py
_base_ = 'mmpose::body_2d_keypoint/associative_embedding/coco/ae_hrnet-w32_8xb24-300e_coco-512x512.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
model = dict(
    backbone=dict(
        _delete_=True,
        type='HRNet',
        arch='w32',
        pretrained='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth',
    ),
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BottomupRandomAffine', input_size=(512, 512)),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='GenerateTarget', encoder=_base_.codec),
    dict(type='BottomupGetHeatmapMask'),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
