# CenterNet (keypoint triplets) on HRNetV2p-W64: box AP 44.0 on val2017 (TPAMI table IX).
# Command: python tools/train.py configs/detection/centernet-triplet_hrnetv2p-w64_8xb6-480k_coco.py
# The learning rate is for 48 images: 8 GPUs of 6; otherwise add --auto-scale-lr.
# No recipe for HRNet was released. Assumptions: the neck, its one map, and the schedule for Hourglass; the direction of
# their effect is not known. There are no official weights to convert.
_base_ = '../_base_/recipes/centernet_hrnetv2p_coco.py'
weights = dict(type='Pretrained', prefix='backbone.', checkpoint=_base_.imagenet_weights.w64)
model = dict(backbone=dict(arch='w64', init_cfg=weights), neck=dict(arch='w64'))
