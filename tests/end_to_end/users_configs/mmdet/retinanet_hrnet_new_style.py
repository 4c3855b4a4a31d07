# mmengine, "A Pure Python style Configuration File", epoch-based: bases by read_base(), classes as types, a dict of the
# base changed by merge() with _delete_ and by attributes, and the runner's class itself.
from mmengine.config import read_base

with read_base():
    from .new_style.balloon import *  # noqa: F403
    from .new_style.retinanet_r50 import *  # noqa: F403
    from .new_style.runtime import *  # noqa: F403

from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from torch.nn import BatchNorm2d
from torch.optim import SGD

from hrnet_mm.engine import ReliableRunner
from hrnet_mm.models import HRNet, HRNetV2pFPN

runner_type = ReliableRunner

model.merge(  # noqa: F405
    dict(
        backbone=dict(
            _delete_=True, type=HRNet, arch='test-w4', norm_cfg=dict(type=BatchNorm2d, requires_grad=True, momentum=0.1)
        ),
        neck=dict(_delete_=True, type=HRNetV2pFPN, arch='test-w4', out_channels=32, stride=2, num_outs=5),
        bbox_head=dict(num_classes=1),
    )
)
model.test_cfg.score_thr = 0.0  # noqa: F405

train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=3, val_interval=2, dynamic_intervals=[(3, 1)])
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.5, by_epoch=False, begin=0, end=3),
    dict(type=MultiStepLR, begin=0, end=3, by_epoch=True, milestones=[2], gamma=0.1),
]
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01, momentum=0.9, weight_decay=0.0001))
auto_scale_lr = dict(enable=True, base_batch_size=16)
