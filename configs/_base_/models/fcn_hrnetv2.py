# mmseg's FCN head on HRNetV2-W48. HRNetV2Head convolves each branch at its own resolution. The batch norm momentum of
# 0.01 and the initial normal(0, 0.001) of the convolutions are the official code's; trainings from random weights give
# `normal_init` to the backbone too. Initial biases are 0 here, and PyTorch's default there.
_base_ = ['mmseg::_base_/models/fcn_hr18.py', './imagenet_weights.py']
norm_cfg = dict(type='SyncBN', momentum=0.01)
normal_init = [dict(type='Normal', layer='Conv2d', std=0.001), dict(type='Constant', layer='_BatchNorm', val=1)]
model = dict(
    data_preprocessor=dict(size_divisor=1),  # crops are of one size already
    pretrained=_base_.imagenet_weights.w48,
    backbone=dict(_delete_=True, type='HRNet', arch='w48', norm_cfg=norm_cfg),
    decode_head=dict(
        type='HRNetV2Head',
        in_channels=[48, 96, 192, 384],
        channels=720,
        norm_cfg=norm_cfg,
        loss_decode=dict(_delete_=True, type='OfficialCrossEntropy'),
        init_cfg=normal_init,
    ),
)
