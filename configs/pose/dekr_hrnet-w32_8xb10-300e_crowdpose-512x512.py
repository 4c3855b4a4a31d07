# DEKR on HRNetV2-W32: AP 66.3 on CrowdPose test (mmpose).
# Command: python tools/train.py configs/pose/dekr_hrnet-w32_8xb10-300e_crowdpose-512x512.py
_base_ = [
    'mmpose::body_2d_keypoint/dekr/crowdpose/dekr_hrnet-w32_8xb10-300e_crowdpose-512x512.py',
    '../_base_/reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
model = dict(
    backbone=dict(
        _delete_=True,
        type='HRNet',
        arch='w32',
        init_cfg=dict(
            type='Pretrained', checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth'
        ),
        multiscale_output=True,
    ),
)
