# FCOS with group norm in the head, 2x: 24 epochs, steps 16 and 22.
_base_ = './fcos_hrnetv2p_coco.py'
train_cfg = dict(max_epochs=24)
steps = dict(type='MultiStepLR', by_epoch=True, begin=0, end=24, milestones=[16, 22], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
