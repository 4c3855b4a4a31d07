# HRNetV2-W48, mmseg's recipe: mIoU 80.65 on val (mmseg).
# Command: python tools/train.py configs/segmentation/fcn_hr48_4xb2-160k_cityscapes-512x1024.py
_base_ = ['mmseg::hrnet/fcn_hr48_4xb2-160k_cityscapes-512x1024.py', '../_base_/reliable_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w48', norm_cfg=dict(type='SyncBN')))
auto_scale_lr = dict(base_batch_size=8)
