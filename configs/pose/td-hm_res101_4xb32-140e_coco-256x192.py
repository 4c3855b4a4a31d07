# SimpleBaseline-ResNet-101, official recipe: AP 71.4 on val2017 (TPAMI table I); AP 71.4 on val2017 (pose README).
# mmpose's own recipe of this network trains 210 epochs with warm-up, half bodies and RGB.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/pose/td-hm_res101_4xb32-140e_coco-256x192.py
_base_ = '../_base_/recipes/simplebaseline_coco-256x192.py'
weights = dict(checkpoint=_base_.resnet_imagenet_weights['101'])
model = dict(backbone=dict(depth=101, init_cfg=weights))
