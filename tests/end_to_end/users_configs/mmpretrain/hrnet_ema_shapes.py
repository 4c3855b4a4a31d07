# mmpretrain: a data set's file of one's own beside the library's schedule and runtime; mixed images in the batch
# augments, an average of the weights, early stopping and mixed precision by --amp. The types of hrnet_mm need no import
# line; the _delete_ of norm_cfg is left over from a base that had one.
_base_ = [
    '_base_/shapes.py',
    'mmpretrain::_base_/schedules/imagenet_bs256_coslr.py',
    'mmpretrain::_base_/default_runtime.py',
]

model = dict(
    type='ImageClassifier',
    backbone=dict(type='hrnet_mm.HRNetV2', arch='test-w4', norm_cfg=dict(_delete_=True, type='BN')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        in_channels=60,
        num_classes=2,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original', use_sigmoid=False),
        topk=(1,),
        cal_acc=False,
    ),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2), dict(type='CutMix', alpha=1.0)]),
)
train_cfg = dict(max_epochs=9)
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=3, save_best=['accuracy/top1'], rule='greater'),
)
custom_hooks = [
    dict(type='EMAHook', momentum=0.1, priority='ABOVE_NORMAL'),
    dict(type='EarlyStoppingHook', monitor='accuracy/top1', patience=2, min_delta=200.0),
]
