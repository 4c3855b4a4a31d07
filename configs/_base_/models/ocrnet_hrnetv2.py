# mmseg's OCR head on HRNetV2-W48 as in the official HRNet-OCR branch: aligned corners, dropout 0.05. The heads' last
# convolutions start from PyTorch's default, as there; those before batch norm start from mmcv's, Kaiming's normal.
_base_ = ['mmseg::_base_/models/ocrnet_hr18.py', './imagenet_weights.py']
norm_cfg = dict(type='SyncBN')
inputs = dict(in_channels=[48, 96, 192, 384], in_index=(0, 1, 2, 3), input_transform='resize_concat')
shared = dict(**inputs, num_classes=19, norm_cfg=norm_cfg, align_corners=True)
loss = dict(type='OfficialCrossEntropy')
auxiliary_head = dict(
    type='HRNetV2Head',
    **shared,
    channels=720,
    kernel_size=1,
    num_convs=1,
    concat_input=False,
    dropout_ratio=-1,
    loss_decode=dict(loss, loss_weight=0.4),
)
ocr_head = dict(type='OCRHead', **shared, channels=512, ocr_channels=256, dropout_ratio=0.05, loss_decode=loss)
model = dict(
    data_preprocessor=dict(size_divisor=1),  # crops are of one size already
    pretrained=_base_.imagenet_weights.w48,
    backbone=dict(_delete_=True, type='HRNet', arch='w48', norm_cfg=norm_cfg, align_corners=True),
    decode_head=[auxiliary_head, ocr_head],
)
