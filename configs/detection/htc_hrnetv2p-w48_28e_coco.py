# HTC on HRNetV2p-W48, 28e: mask AP 41.0 and box AP 47.0 on val2017 (TPAMI table X); box AP 47.3 on test-dev2017 (TPAMI
# table XI); mask AP 41.0 and box AP 47.0 on val2017 (TPAMI Appendix E); mask AP 41.0 and box AP 47.0 on val2017
# (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/htc_hrnetv2p-w48_28e_coco.py
_base_ = './htc_hrnetv2p-w48_20e_coco.py'
max_epochs = 28
train_cfg = dict(max_epochs=max_epochs)
steps = dict(type='MultiStepLR', by_epoch=True, begin=0, end=max_epochs, milestones=[24, 27], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
