# DEKR on HRNetV2-W48: AP 67.9 on CrowdPose test (mmpose).
# Command: python tools/train.py configs/pose/dekr_hrnet-w48_8xb5-300e_crowdpose-640x640.py
_base_ = [
    'mmpose::body_2d_keypoint/dekr/crowdpose/dekr_hrnet-w48_8xb5-300e_crowdpose-640x640.py',
    '../_base_/reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
model = dict(
    backbone=dict(
        _delete_=True,
        type='HRNet',
        arch='w48',
        init_cfg=dict(
            type='Pretrained', checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
        ),
        multiscale_output=True,
    ),
)
