# The published 1x (12 epochs, steps 8 and 11). Unlike mmdet's: warm-up from a third, gradients clipped at norm 35.
_base_ = 'mmdet::_base_/schedules/schedule_1x.py'
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
warmup = dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=501)  # 500 iterations
param_scheduler = [warmup, dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[8, 11], gamma=0.1)]
