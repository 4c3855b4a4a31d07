# mmseg's FCN head on HRNetV2-W48, in the form that convolves each stream at its own resolution; the official batch norm
# remembers a hundred steps (momentum 0.01).
_base_ = 'mmseg::_base_/models/fcn_hr18.py'
norm_cfg = dict(type='SyncBN', momentum=0.01)
model = dict(
    data_preprocessor=dict(size_divisor=1),  # crops are of one size already
    pretrained='open-mmlab://msra/hrnetv2_w48',
    backbone=dict(_delete_=True, type='HRNet', arch='w48', norm_cfg=norm_cfg),
    decode_head=dict(
        type='HRNetV2Head',
        in_channels=[48, 96, 192, 384],
        channels=720,
        norm_cfg=norm_cfg,
        loss_decode=dict(_delete_=True, type='OfficialCrossEntropy'),
    ),
)
