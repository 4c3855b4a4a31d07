# DEKR on HRNetV2-W48: AP 71.4 on COCO val (mmpose).
# Command: python tools/train.py configs/pose/dekr_hrnet-w48_8xb10-140e_coco-640x640.py
_base_ = [
    'mmpose::body_2d_keypoint/dekr/coco/dekr_hrnet-w48_8xb10-140e_coco-640x640.py',
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
