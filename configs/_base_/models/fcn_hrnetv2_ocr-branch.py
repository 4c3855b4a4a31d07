# HRNetV2-W48 without OCR as in the official HRNet-OCR branch, whose batch norm momentum is 0.1.
_base_ = './fcn_hrnetv2.py'
norm_cfg = dict(type='SyncBN', momentum=0.1)
model = dict(backbone=dict(norm_cfg=norm_cfg), decode_head=dict(norm_cfg=norm_cfg))
