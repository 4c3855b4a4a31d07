# HTC on HRNetV2p-W40, 28e: a config of mmdet, which gives no result for it.
# Command: python tools/train.py configs/detection/htc_hrnetv2p-w40_28e_coco.py
_base_ = './htc_hrnetv2p-w40_20e_coco.py'
max_epochs = 28
train_cfg = dict(max_epochs=max_epochs)
steps = dict(type='MultiStepLR', by_epoch=True, begin=0, end=max_epochs, milestones=[24, 27], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
