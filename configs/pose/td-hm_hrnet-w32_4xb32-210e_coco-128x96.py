# HRNetV1-W32 at 128x96: AP gain over SimpleBaseline R50 6.3 on val2017 (CVPR section 4.4 / Figure 6 (text)).
# The sigma of its heatmaps is assumed (1); the recipe of this size was not released.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w32_4xb32-210e_coco-128x96.py
_base_ = '../_base_/recipes/td-hm_hrnet_coco-128x96.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
model = dict(backbone=dict(arch='w32', init_cfg=weights), head=dict(in_channels=32))
