# mmdet's HTC and its COCO data (stuff maps included), with HRNetV2p and the published 20e.
_base_ = ['mmdet::htc/htc_r50_fpn_20e_coco.py', '../models/imagenet_weights.py', '../reliable_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)
model = dict(
    backbone=dict(_delete_=True, type='HRNet', arch='w32'),
    neck=dict(_delete_=True, type='HRFPN', arch='w32'),
)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
warmup = dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=501)  # 500 iterations
param_scheduler = [warmup, dict(type='MultiStepLR', by_epoch=True, begin=0, end=20, milestones=[16, 19], gamma=0.1)]
