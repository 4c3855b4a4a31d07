# HRNetV1-W32, mmpose's recipe: PCKh@0.5 90.0 on val (mmpose).
# Command: python tools/train.py configs/pose/td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py
_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/mpii/td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py',
    '../_base_/reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w32', init_cfg=_base_.model.backbone.init_cfg))
train_dataloader = dict(batch_size=64)  # mmpose's file has 16, which neither its name nor its learning rate fits
