# HRNet-W32, heat-maps from the 4x stream: AP 55.0 on val2017 (CVPR Figure 5).
# Slide 29. Its caption says from scratch; the paper, and the number of the 1x stream, say ImageNet weights.
# Command: python tools/train.py configs/ablations/td-hm_hrnet-w32_4x-stream_coco-256x192.py
_base_ = '../_base_/pose/official_coco_4x_stream.py'
weights = dict(
    type='Pretrained', checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth'
)
model = dict(backbone=dict(arch='w32', init_cfg=weights), head=dict(in_channels=128))
