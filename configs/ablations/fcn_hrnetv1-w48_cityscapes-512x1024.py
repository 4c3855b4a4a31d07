# HRNetV1-W48 for segmentation: a classifier on the finest branch alone. Slide 49 and TPAMI figure 10 are bar charts of
# V1, V1h and V2 without numbers; V2 is configs/segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024.py.
# No code was released. Assumed: the schedule, data and weights of V2.
# Command: python tools/train.py configs/ablations/fcn_hrnetv1-w48_cityscapes-512x1024.py
_base_ = '../segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024.py'
model = dict(
    backbone=dict(multiscale_output=False),
    decode_head=dict(type='FCNHead', input_transform=None, in_channels=48, in_index=0, channels=48, num_convs=0),
)
