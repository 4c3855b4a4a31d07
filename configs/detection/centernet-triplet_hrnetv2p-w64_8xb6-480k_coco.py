# CenterNet (key-point triplets) on HRNetV2p-W64: box AP 44.0 on val2017 (TPAMI table IX).
# Command: python tools/train.py configs/detection/centernet-triplet_hrnetv2p-w64_8xb6-480k_coco.py
_base_ = '../_base_/models/centernet_hrnetv2p_coco.py'
checkpoint = (
    'https://download.openmmlab.com/mmclassification/v0/hrnet/hrnet-w64_3rdparty_8xb32_in1k_20220120-19126642.pth'
)
weights = dict(type='Pretrained', prefix='backbone.', checkpoint=checkpoint)
model = dict(backbone=dict(arch='w64', init_cfg=weights), neck=dict(arch='w64'))
