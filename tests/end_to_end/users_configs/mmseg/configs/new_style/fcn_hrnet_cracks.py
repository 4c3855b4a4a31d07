"""New style: pure Python, classes as types, bases by read_base(), averaged weights; no scope is named."""

# ruff: noqa: F403, F405
from cracks.hooks import CountingHook
from mmengine.config import read_base
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from mmseg.models import CrossEntropyLoss, EncoderDecoder, FCNHead, SegDataPreProcessor
from torch.nn import BatchNorm2d

from hrnet_mm.models import HRNet

with read_base():
    from ._base_.cracks import *
    from ._base_.default_runtime import *

norm_cfg = dict(type=BatchNorm2d, requires_grad=True)
model = dict(
    type=EncoderDecoder,
    data_preprocessor=dict(
        type=SegDataPreProcessor,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=crop_size,
    ),
    backbone=dict(type=HRNet, arch='test-w4', fuse_upsample='bilinear', norm_cfg=norm_cfg),
    decode_head=dict(
        type=FCNHead,
        in_channels=[4, 8, 16, 32],
        in_index=(0, 1, 2, 3),
        channels=60,
        input_transform='resize_concat',
        kernel_size=1,
        num_convs=1,
        concat_input=False,
        dropout_ratio=-1,
        num_classes=3,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type=CrossEntropyLoss, use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
optim_wrapper.update(clip_grad=dict(max_norm=1.0))
train_cfg.update(max_iters=6, val_interval=3)
default_hooks.checkpoint.update(interval=3)
custom_hooks = [
    dict(type=EMAHook, ema_type=ExponentialMovingAverage, momentum=0.1),
    dict(type=CountingHook, interval=3),
]
