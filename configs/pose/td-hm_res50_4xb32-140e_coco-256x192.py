# SimpleBaseline-ResNet-50, official recipe: AP 70.4 on val2017 (TPAMI table I); AP 70.4 on val2017 (pose README).
# mmpose's td-hm_res50_8xb64-210e_coco-256x192 trains 210 epochs with warm-up, half bodies and RGB.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/pose/td-hm_res50_4xb32-140e_coco-256x192.py
_base_ = '../_base_/recipes/simplebaseline_coco-256x192.py'
