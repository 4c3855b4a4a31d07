# HRNetV1-W48, official recipe: PCKh@0.5 92.3 on test (CVPR section 4.2 (text)).
# The test set was tested at six scales by code that is not released.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_4xb32-210e_mpii-256x256.py
_base_ = '../_base_/pose/official_mpii.py'
weights = dict(
    type='Pretrained', checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
)
model = dict(backbone=dict(arch='w48', init_cfg=weights), head=dict(in_channels=48))
