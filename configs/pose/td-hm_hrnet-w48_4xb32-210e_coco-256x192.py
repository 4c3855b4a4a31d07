# HRNetV1-W48, official recipe: AP 75.1 on val2017 (TPAMI table I); AP 75.1 on val2017 (pose README); AP 75.1 on
# val2017 (CVPR Figure 5).
# Training took 80 hours on 4 V100.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_4xb32-210e_coco-256x192.py
_base_ = '../_base_/recipes/td-hm_hrnet_coco-256x192.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w48)
model = dict(backbone=dict(arch='w48', init_cfg=weights), head=dict(in_channels=48))
