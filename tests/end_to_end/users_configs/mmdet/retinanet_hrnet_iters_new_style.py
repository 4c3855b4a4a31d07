# The same by iterations: a second generation of read_base(), an average of the weights, and hooks given as classes, one
# of them the user's own.
from mmengine.config import read_base

with read_base():
    from .retinanet_hrnet_new_style import *  # noqa: F403

from balloon_extras import BoxCountMetric, CountCallsHook
from mmdet.models.layers import ExpMomentumEMA
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import EMAHook
from mmengine.runner import IterBasedTrainLoop

train_dataloader.update(sampler=dict(type=InfiniteSampler, shuffle=True))  # noqa: F405
train_cfg = dict(type=IterBasedTrainLoop, max_iters=4, val_begin=2, val_interval=2)
param_scheduler = []
auto_scale_lr.enable = False  # noqa: F405
val_evaluator = [val_evaluator, dict(type=BoxCountMetric)]  # noqa: F405
test_evaluator = val_evaluator
default_hooks.checkpoint.update(by_epoch=False, interval=4)  # noqa: F405
log_processor.by_epoch = False  # noqa: F405
custom_hooks = [
    dict(type=EMAHook, ema_type=ExpMomentumEMA, momentum=0.1, update_buffers=True, priority=49),
    dict(type=CountCallsHook, interval=2),
]
