# HTC on HRNetV2p-W40, 28e: a config of mmdet, which gives no result for it.
# Command: python tools/train.py configs/detection/htc_hrnetv2p-w40_28e_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Losses, stages and schedule are the official ones. Differences from HRNet-Object-Detection: boxes without + 1, aligned
# RoIs with adaptive sampling, 1000 instead of 2000 proposals in test; for a training, AP is expected to be equal or
# slightly higher. Weights converted from that repository give boxes up to a pixel off, and by mmdet's note on such
# weights an AP within 1 of theirs; htc_hrnetv2p-w32_official-boxes-20e_coco.py gives their boxes.
_base_ = './htc_hrnetv2p-w40_20e_coco.py'
max_epochs = 28
train_cfg = dict(max_epochs=max_epochs)
steps = dict(type='MultiStepLR', by_epoch=True, begin=0, end=max_epochs, milestones=[24, 27], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
