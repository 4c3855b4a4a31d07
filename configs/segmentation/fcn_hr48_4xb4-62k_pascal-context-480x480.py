# HRNetV2-W48, 60 classes, official recipe: mIoU (60 classes) 48.3 on val (HRNet-Semantic-Segmentation@master README);
# mIoU (60 classes) 48.3 on val (HRNet-Semantic-Segmentation@HRNet-OCR README).
# Command: python tools/train.py configs/segmentation/fcn_hr48_4xb4-62k_pascal-context-480x480.py
_base_ = [
    '../_base_/models/fcn_hrnetv2.py',
    '../_base_/datasets/pascal-context_official.py',
    '../_base_/schedules/segmentation_pascal-context.py',
    '../_base_/mmseg_runtime.py',
]
window = dict(crop_size=(480, 480), stride=(320, 320))
model = dict(decode_head=dict(num_classes=60), test_cfg=dict(mode='slide', **window))
tta_model = dict(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 2.0), base_size=520, **window)
