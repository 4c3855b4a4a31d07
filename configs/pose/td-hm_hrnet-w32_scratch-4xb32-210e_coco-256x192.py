# HRNetV1-W32 from random weights: AP 73.4 on val2017 (TPAMI table I); AP 73.4 on val2017 (TPAMI table XII); AP 73.4 on
# val2017 (TPAMI section VII (text)).
# The ablations compare this config (8 fusions, V1) with fewer fusions (slide 28) and with V2.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w32_scratch-4xb32-210e_coco-256x192.py
_base_ = '../_base_/recipes/td-hm_hrnet_coco-256x192.py'
