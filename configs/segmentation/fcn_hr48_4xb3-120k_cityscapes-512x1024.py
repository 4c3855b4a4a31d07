# HRNetV2-W48, official recipe: mIoU 81.1 on val (TPAMI table III); mIoU 80.4 on test (TPAMI table IV); mIoU 80.9 on val
# (HRNet-Semantic-Segmentation@master README); mIoU 80.5 on test (HRNet-Semantic-Segmentation@master README).
# Training took about 23 hours on 4 V100 (0.692 s an iteration). The test server has the labels of the test set. Values
# on test are those of --tta, values on val those without. Difference from the official code, without an expected
# effect: its head starts from random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/cityscapes_official.py',
    '../_base_/schedules/segmentation_120k.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(decode_head=dict(loss_decode=dict(class_weight='cityscapes')))
tta_model = _base_.official_test
