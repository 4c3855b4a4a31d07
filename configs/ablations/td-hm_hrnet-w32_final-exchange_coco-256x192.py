# Exchange units in the last module only (1 fusion), from random weights: AP 70.8 on val2017 (TPAMI table XII).
# Slide 28; all 8 fusions: pose/td-hm_hrnet-w32_scratch-4xb32-210e_coco-256x192.py
# No code was released: the recipe of the published network is assumed.
# Command: python tools/train.py configs/ablations/td-hm_hrnet-w32_final-exchange_coco-256x192.py
_base_ = '../_base_/recipes/td-hm_hrnet_coco-256x192.py'
model = dict(backbone=dict(exchange='final'))
