# HRNetV1h-W48 for segmentation: the finest branch, widened by a 1x1 convolution to the 720 channels of V2's. Slide 49
# and TPAMI figure 10 are bar charts of V1, V1h and V2 without numbers; V2 is
# configs/segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024.py.
# No code was released. Assumed: the schedule, data and weights of V2, and its normalization and ReLU.
# Command: python tools/train.py configs/ablations/fcn_hrnetv1h-w48_cityscapes-512x1024.py
_base_ = '../segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024.py'
model = dict(
    backbone=dict(multiscale_output=False),
    decode_head=dict(type='FCNHead', input_transform=None, in_channels=48, in_index=0),
)
