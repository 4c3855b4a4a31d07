# HRNetV2-W18-small-v2, mmseg's recipe: mIoU 76.31 on val (mmseg).
# Command: python tools/train.py configs/segmentation/fcn_hr18s_4xb2-160k_cityscapes-512x1024.py
_base_ = ['mmseg::hrnet/fcn_hr18s_4xb2-160k_cityscapes-512x1024.py', '../_base_/reliable_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w18-small-v2', norm_cfg=dict(type='SyncBN')))
auto_scale_lr = dict(base_batch_size=8)
