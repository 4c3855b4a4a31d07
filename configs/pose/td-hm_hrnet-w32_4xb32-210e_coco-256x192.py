# HRNetV1-W32, official recipe: AP 74.4 on val2017 (TPAMI table I); AP 74.4 on val2017 (pose README); AP 74.4 on
# val2017 (CVPR Figure 5); AP gain over SimpleBaseline R50 4.0 on val2017 (CVPR section 4.4 / Figure 6 (text)).
# Training took 60 hours on 4 V100.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py
_base_ = '../_base_/recipes/td-hm_hrnet_coco-256x192.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
model = dict(backbone=dict(arch='w32', init_cfg=weights), head=dict(in_channels=32))
