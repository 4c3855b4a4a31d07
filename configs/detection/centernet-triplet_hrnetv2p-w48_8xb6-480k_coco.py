# CenterNet (keypoint triplets) on HRNetV2p-W48: box AP 43.4 on val2017 (TPAMI table IX); box AP 43.5 on test-dev2017
# (TPAMI table XI).
# Command: python tools/train.py configs/detection/centernet-triplet_hrnetv2p-w48_8xb6-480k_coco.py
_base_ = '../_base_/recipes/centernet_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w48', pretrained=_base_.imagenet_weights.w48), neck=dict(arch='w48'))
