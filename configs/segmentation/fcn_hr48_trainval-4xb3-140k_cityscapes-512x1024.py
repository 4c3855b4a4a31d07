# HRNetV2-W48, 484 epochs more on train + val: mIoU 81.6 on test (TPAMI table IV); mIoU 81.5 on test (HRNet-Semantic-
# Segmentation@master README).
# The numbers are those of --tta. Difference from the official code, without an expected effect: its head starts from
# random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr48_trainval-4xb3-140k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/cityscapes_trainval_official.py',
    '../_base_/schedules/segmentation_cityscapes_trainval.py',
    '../_base_/mmseg_runtime.py',
]
optim_wrapper = dict(optimizer=dict(lr=0.001))
model = dict(decode_head=dict(loss_decode=dict(class_weight='cityscapes')))
load_from = 'work_dirs/fcn_hr48_4xb3-120k_cityscapes-512x1024/iter_119548.pth'
tta_model = _base_.official_test
