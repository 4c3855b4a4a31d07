# DEKR on HRNetV2-W32: AP 68.6 on COCO val (mmpose).
# Command: python tools/train.py configs/pose/dekr_hrnet-w32_8xb10-140e_coco-512x512.py
_base_ = [
    'mmpose::body_2d_keypoint/dekr/coco/dekr_hrnet-w32_8xb10-140e_coco-512x512.py',
    '../_base_/reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
backbone = dict(type='HRNet', arch='w32', multiscale_output=True)
model = dict(backbone=dict(backbone, _delete_=True, init_cfg=_base_.model.backbone.init_cfg))
