# HRNetV2-W48, mmseg's recipe: mIoU 42.02 on ADE20K val (mmseg).
# Command: python tools/train.py configs/segmentation/fcn_hr48_4xb4-160k_ade20k-512x512.py
_base_ = ['mmseg::hrnet/fcn_hr48_4xb4-160k_ade20k-512x512.py', '../_base_/reliable_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w48', norm_cfg=dict(type='SyncBN')))
auto_scale_lr = dict(base_batch_size=16)
