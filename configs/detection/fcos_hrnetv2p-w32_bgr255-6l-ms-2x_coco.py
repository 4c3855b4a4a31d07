# FCOS on HRNetV2p-W32, its authors' recipe, 6 levels, 2x, multi-scale: box AP 42.1 on minival (HRNet-FCOS README).
# Command: python tools/train.py configs/detection/fcos_hrnetv2p-w32_bgr255-6l-ms-2x_coco.py
_base_ = '../_base_/recipes/fcos_hrnetv2p_bgr255-ms_coco.py'
model = dict(
    backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32),
    neck=dict(arch='w32', stride=1, num_outs=6),
    bbox_head=dict(
        strides=[4, 8, 16, 32, 64, 128],
        regress_ranges=((-1, 32), (32, 64), (64, 128), (128, 256), (256, 512), (512, 1e8)),
    ),
)
