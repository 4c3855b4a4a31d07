# CenterNet (keypoint triplets) on HRNetV2p-W64: box AP 44.0 on val2017 (TPAMI table IX).
# Command: python tools/train.py configs/detection/centernet-triplet_hrnetv2p-w64_8xb6-480k_coco.py
_base_ = '../_base_/recipes/centernet_hrnetv2p_coco.py'
weights = dict(type='Pretrained', prefix='backbone.', checkpoint=_base_.imagenet_weights.w64)
model = dict(backbone=dict(arch='w64', init_cfg=weights), neck=dict(arch='w64'))
