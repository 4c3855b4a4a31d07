# A second generation of read_base(): by iterations, the weights averaged, and hooks given as classes, the user's among
# them.
from mmengine.config import read_base

with read_base():
    from .hrnet_new_style_in1k import *  # noqa: F403

from mmengine.dataset import InfiniteSampler
from mmengine.hooks import EMAHook
from mmengine.runner import IterBasedTrainLoop, LogProcessor
from shapes_extras import CountBatchesHook

from hrnet_mm.engine import ReliableRunner

runner_type = ReliableRunner
train_dataloader.sampler = dict(type=InfiniteSampler, shuffle=True)  # noqa: F405
train_cfg = dict(type=IterBasedTrainLoop, max_iters=4, val_interval=2)
param_scheduler = None
default_hooks.checkpoint.update(by_epoch=False, interval=2, max_keep_ckpts=1)  # noqa: F405
log_processor = dict(type=LogProcessor, by_epoch=False)
custom_hooks = [dict(type=EMAHook, momentum=0.2, priority='ABOVE_NORMAL'), dict(type=CountBatchesHook)]
