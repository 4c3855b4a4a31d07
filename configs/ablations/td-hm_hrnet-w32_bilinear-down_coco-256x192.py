# Bilinear instead of strided downsampling, from random weights: AP 72.6 on val2017 (TPAMI section VII (text)).
# No code was released: the recipe of the published network is assumed.
# Command: python tools/train.py configs/ablations/td-hm_hrnet-w32_bilinear-down_coco-256x192.py
_base_ = '../_base_/recipes/td-hm_hrnet_coco-256x192.py'
model = dict(backbone=dict(downsample='bilinear'))
