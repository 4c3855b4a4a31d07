# HRNetV1-W48, official recipe: PCKh@0.5 92.3 on test (CVPR section 4.2 (text)).
# The test set was tested at six scales by code that is not released.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_4xb32-210e_mpii-256x256.py
_base_ = '../_base_/recipes/td-hm_hrnet_mpii-256x256.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w48)
model = dict(backbone=dict(arch='w48', init_cfg=weights), head=dict(in_channels=48))
