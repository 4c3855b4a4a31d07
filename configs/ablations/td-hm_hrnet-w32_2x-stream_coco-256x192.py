# HRNet-W32, heatmaps from the 2x branch: AP 68.9 on val2017 (CVPR Figure 5).
# Slide 29. Its caption says from scratch; the paper, and the number of the 1x branch, say ImageNet weights.
# No code was released: the recipe of the published network is assumed.
# Command: python tools/train.py configs/ablations/td-hm_hrnet-w32_2x-stream_coco-256x192.py
_base_ = '../_base_/recipes/td-hm_hrnet_2x-stream_coco-256x192.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
model = dict(backbone=dict(arch='w32', init_cfg=weights), head=dict(in_channels=64))
