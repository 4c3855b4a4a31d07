# HRNetV1-W32 from random weights: AP 73.4 on val2017 (TPAMI table I); AP 73.4 on val2017 (TPAMI table XII); AP 73.4 on
# val2017 (TPAMI section VII (text)).
# Also the full exchange (8 fusions) of slide 28, and V1 of the comparison with V2 (ablations).
# Command: python tools/train.py configs/pose/td-hm_hrnet-w32_scratch-4xb32-210e_coco-256x192.py
_base_ = '../_base_/recipes/td-hm_hrnet_coco-256x192.py'
