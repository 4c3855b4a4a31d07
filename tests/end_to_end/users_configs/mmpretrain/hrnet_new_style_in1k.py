# mmengine, "A Pure Python style Configuration File", epoch-based: read_base(), classes as types, merge() with _delete_.
from mmengine.config import read_base

with read_base():
    from .new_style.imagenet import *  # noqa: F403
    from .new_style.resnet50 import *  # noqa: F403
    from .new_style.runtime import *  # noqa: F403

from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from torch.optim import SGD

from hrnet_mm.models import HRNet

model.merge(dict(backbone=dict(_delete_=True, type=HRNet, arch='test-w4'), head=dict(in_channels=32)))  # noqa: F405

train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=2, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.1, momentum=0.9, weight_decay=0.0001))
param_scheduler = [
    dict(type=LinearLR, start_factor=0.25, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(type=CosineAnnealingLR, T_max=1, by_epoch=True, begin=1, end=2),
]
auto_scale_lr = dict(base_batch_size=256)
