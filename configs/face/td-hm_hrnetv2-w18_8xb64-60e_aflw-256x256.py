# HRNetV2-W18, mmpose's protocol: NME 1.41 on the full set (mmpose).
# Command: python tools/train.py configs/face/td-hm_hrnetv2-w18_8xb64-60e_aflw-256x256.py
_base_ = [
    'mmpose::face_2d_keypoint/topdown_heatmap/aflw/td-hm_hrnetv2-w18_8xb64-60e_aflw-256x256.py',
    '../_base_/reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
backbone = dict(type='HRNet', arch='w18', multiscale_output=True, fuse_upsample='bilinear')
model = dict(backbone=dict(backbone, _delete_=True, init_cfg=_base_.model.backbone.init_cfg))
