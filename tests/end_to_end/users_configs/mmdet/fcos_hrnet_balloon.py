# mmdet, "Learn about Configs": _base_ files of one's own beside one of the library, values of the bases reused by
# {{_base_.NAME}} and by _base_.NAME; a repeated data set, early stopping, and mixed precision by --amp.
_base_ = ['_base_/balloon_detection.py', '_base_/schedule_short.py', 'mmdet::_base_/default_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)

num_classes = len(_base_.metainfo.classes)
model = dict(
    type='FCOS',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(type='HRNet', arch='test-w4', norm_eval=False),
    neck=dict(type='HRFPN', in_channels=[4, 8, 16, 32], out_channels=32, stride=2, num_outs=5),
    bbox_head=dict(
        type='FCOSHead',
        num_classes=num_classes,
        in_channels=32,
        stacked_convs=1,
        feat_channels=32,
        strides=[8, 16, 32, 64, 128],
        norm_cfg=dict(type='GN', num_groups=8, requires_grad=True),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='IoULoss', loss_weight=1.0),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    ),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20
    ),
)
train_dataloader = dict(dataset=dict(dataset=dict(metainfo={{_base_.metainfo}})))
val_evaluator = [
    _base_.val_evaluator,
    dict(
        type='CocoMetric',
        prefix='proposals',
        metric='proposal',
        proposal_nums=(1, 5, 10),
        ann_file=_base_.data_root + 'val.json',
    ),
]
test_evaluator = val_evaluator

visualizer = dict(vis_backends=_base_.vis_backends)
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(interval=1, save_best='auto'),
    early_stopping=dict(type='EarlyStoppingHook', monitor='coco/bbox_mAP', patience=2, min_delta=2.0),
)
