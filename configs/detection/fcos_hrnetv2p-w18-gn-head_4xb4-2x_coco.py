# FCOS on HRNetV2p-W18, 5 levels, 2x: box AP 37.7 on val2017 (TPAMI Appendix E); box AP 38.2 on val2017 (HRNet-Object-
# Detection README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w18-gn-head_4xb4-2x_coco.py
_base_ = './fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py'
train_cfg = dict(max_epochs=24)
steps = dict(type='MultiStepLR', by_epoch=True, begin=0, end=24, milestones=[16, 22], gamma=0.1)
param_scheduler = [_base_.param_scheduler[0], steps]
