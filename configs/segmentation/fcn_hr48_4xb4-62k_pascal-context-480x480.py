# HRNetV2-W48, 60 classes, official recipe: mIoU (60 classes) 48.3 on val (HRNet-Semantic-Segmentation@master README);
# mIoU (60 classes) 48.3 on val (HRNet-Semantic-Segmentation@HRNet-OCR README).
# The numbers are those of --tta: seven scales, windows, flip. Without --tta, mmseg's test with one scale. Difference
# from the official code, without an expected effect: its head starts from random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr48_4xb4-62k_pascal-context-480x480.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/pascal-context_official.py',
    '../_base_/schedules/segmentation_pascal-context.py',
    '../_base_/mmseg_runtime.py',
]
window = dict(crop_size=(480, 480), stride=(320, 320))
model = dict(decode_head=dict(num_classes=60), test_cfg=dict(mode='slide', **window))
tta_model = _base_.official_test
