# HRNetV2-W48 + OCR, mmseg's recipe: mIoU 43.25 on ADE20K val (mmseg).
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_4xb4-160k_ade20k-512x512.py
_base_ = ['mmseg::ocrnet/ocrnet_hr48_4xb4-160k_ade20k-512x512.py', '../_base_/reliable_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w48', norm_cfg=dict(type='SyncBN')))
auto_scale_lr = dict(base_batch_size=16)
