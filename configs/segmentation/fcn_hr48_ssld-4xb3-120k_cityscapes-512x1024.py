# HRNetV2-W48 from PaddleClas's SSLD weights, official recipe of the OCR branch: mIoU 81.6 on val (HRNet-Semantic-
# Segmentation@HRNet-OCR README).
# There are yaml files for 12 and for 16 images, and the README does not say which; 12 is assumed. Difference from the
# official code, without an expected effect: its head starts from random biases.
# Command: python tools/train.py configs/segmentation/fcn_hr48_ssld-4xb3-120k_cityscapes-512x1024.py
_base_ = './fcn_hr48_momentum-0.1-4xb3-120k_cityscapes-512x1024.py'
model = dict(pretrained=_base_.imagenet_weights['w48-ssld'])
