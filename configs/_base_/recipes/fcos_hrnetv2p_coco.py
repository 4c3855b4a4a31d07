# mmdet's FCOS with group norm in the head, its COCO data and 1x, with HRNetV2p of strides 8 to 128.
# The towers have a bias before each group norm, as in the authors' code; mmdet's files have none, and it is zero then.
# The images stay BGR, as in mmdet's own HRNet configs, although the ImageNet weights were trained on RGB.
_base_ = [
    'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_4xb4-1x_coco.py',
    '../datasets/coco_detection_pieces.py',
    '../models/imagenet_weights.py',
    '../reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)
model = dict(
    data_preprocessor=dict(mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395]),
    backbone=dict(_delete_=True, type='HRNet', arch='w32'),
    neck=dict(_delete_=True, type='HRFPN', arch='w32', stride=2),
    bbox_head=dict(conv_bias=True),
)
warmup = dict(type='ConstantLR', factor=1 / 3, by_epoch=False, begin=0, end=501)  # 500 iterations
param_scheduler = [warmup, dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[8, 11], gamma=0.1)]
