# HRNetV2-W48, official recipe with OHEM: mIoU 81.2 on val (HRNet-Semantic-Segmentation@master README); mIoU 81.1 on
# test (HRNet-Semantic-Segmentation@master README).
# Values on test are those of --tta, values on val those without. Difference from the official code, without an expected
# effect: its head starts from random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr48_ohem-4xb3-120k_cityscapes-512x1024.py
_base_ = './fcn_hr48_4xb3-120k_cityscapes-512x1024.py'
model = dict(decode_head=dict(loss_decode=dict(thresh=0.9)))
