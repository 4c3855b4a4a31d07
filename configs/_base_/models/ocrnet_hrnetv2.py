# mmseg's OCR head on HRNetV2-W48, as the official HRNet-OCR branch has it: aligned corners, drop-out 0.05.
_base_ = 'mmseg::_base_/models/ocrnet_hr18.py'
norm_cfg = dict(type='SyncBN')
shared = dict(in_channels=[48, 96, 192, 384], norm_cfg=norm_cfg, align_corners=True)
auxiliary, ocr = _base_.model.decode_head
loss = dict(type='OfficialCrossEntropy')
model = dict(
    data_preprocessor=dict(size_divisor=1),  # crops are of one size already
    pretrained='open-mmlab://msra/hrnetv2_w48',
    backbone=dict(_delete_=True, type='HRNet', arch='w48', norm_cfg=norm_cfg, align_corners=True),
    decode_head=[
        dict(auxiliary, **shared, type='HRNetV2Head', channels=720, loss_decode=dict(loss, loss_weight=0.4)),
        dict(ocr, **shared, dropout_ratio=0.05, loss_decode=loss),
    ],
)
