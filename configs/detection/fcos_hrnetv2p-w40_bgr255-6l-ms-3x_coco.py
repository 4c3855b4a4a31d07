# FCOS on HRNetV2p-W40, its authors' recipe, 6 levels, 3x, multi-scale: box AP 42.6 on minival (HRNet-FCOS README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w40_bgr255-6l-ms-3x_coco.py
# The learning rate is for 16 images: 4 GPUs of 4; otherwise add --auto-scale-lr.
# Weights converted from HRNet-FCOS give its maps and the coding of its boxes. Differences that remain: OpenCV resizes
# the images, there PIL; candidates are ranked by class score before NMS, there multiplied by centerness; losses are
# divided by the mean number of positives over GPUs, there by a GPU's and its images; the IoU loss adds no 1 to areas.
# No change of AP is expected beyond that between seeds.
_base_ = '../_base_/recipes/fcos_hrnetv2p_bgr255-ms_coco.py'
model = dict(
    backbone=dict(arch='w40', pretrained=_base_.imagenet_weights.w40),
    neck=dict(arch='w40', stride=1, num_outs=6),
    bbox_head=dict(
        strides=[4, 8, 16, 32, 64, 128],
        regress_ranges=((-1, 32), (32, 64), (64, 128), (128, 256), (256, 512), (512, 1e8)),
    ),
)
train_cfg = dict(max_iters=270_000, val_interval=270_000)
steps = dict(type='MultiStepLR', by_epoch=False, begin=0, end=270_000, milestones=[180_000, 240_000], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
