# HRNetV1-W48, official recipe: AP 75.1 on val2017 (TPAMI table I); AP 75.1 on val2017 (pose README); AP 75.1 on
# val2017 (CVPR Figure 5).
# Training took 80 hours on 4 V100.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_4xb32-210e_coco-256x192.py
_base_ = '../_base_/pose/official_coco.py'
weights = dict(
    type='Pretrained', checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth'
)
model = dict(backbone=dict(arch='w48', init_cfg=weights), head=dict(in_channels=48))
