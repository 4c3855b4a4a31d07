# mmdet, "Semi-supervised Object Detection": a model in a model (the library's HRNet config), batches from two data sets
# in a ratio, a validation loop of the library's own, and a hook that makes the teacher follow the student.
_base_ = [
    'mmdet::hrnet/faster-rcnn_hrnetv2p-w18-1x_coco.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)

channels = (4, 8, 16, 32)
detector = _base_.model
detector.backbone.update(
    extra=dict(
        stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(1,), num_channels=(16,)),
        stage2=dict(num_modules=1, num_branches=2, block='BASIC', num_blocks=(1, 1), num_channels=channels[:2]),
        stage3=dict(num_modules=1, num_branches=3, block='BASIC', num_blocks=(1, 1, 1), num_channels=channels[:3]),
        stage4=dict(num_modules=1, num_branches=4, block='BASIC', num_blocks=(1, 1, 1, 1), num_channels=channels),
    ),
    norm_eval=False,
    init_cfg=None,
)
detector.neck.update(in_channels=list(channels), out_channels=16)
detector.rpn_head.update(in_channels=16, feat_channels=16)
detector.roi_head.bbox_roi_extractor.out_channels = 16
detector.roi_head.bbox_head.update(in_channels=16, fc_out_channels=32, num_classes=1)
detector.test_cfg.rcnn.update(score_thr=0.0, max_per_img=10)
model = dict(
    _delete_=True,
    type='SoftTeacher',
    detector=detector,
    data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=detector.data_preprocessor),
    semi_train_cfg=dict(
        freeze_teacher=True,
        sup_weight=1.0,
        unsup_weight=4.0,
        pseudo_label_initial_score_thr=0.5,
        rpn_pseudo_thr=0.9,
        cls_pseudo_thr=0.9,
        reg_pseudo_thr=0.02,
        jitter_times=10,
        jitter_scale=0.06,
        min_pseudo_bbox_wh=(1e-2, 1e-2),
    ),
    semi_test_cfg=dict(predict_on='teacher'),
)

branch_field = ['sup', 'unsup_teacher', 'unsup_student']
keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction', 'homography_matrix')
sup_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=[(128, 72), (128, 96)], keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2)),
    dict(type='MultiBranch', branch_field=branch_field, sup=dict(type='PackDetInputs')),
]
weak_pipeline = [
    dict(type='RandomResize', scale=[(128, 72), (128, 96)], keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs', meta_keys=keys),
]
strong_pipeline = [
    dict(type='RandomResize', scale=[(128, 72), (128, 96)], keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomErasing', n_patches=(1, 5), ratio=(0, 0.2)),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2)),
    dict(type='PackDetInputs', meta_keys=keys),
]
unsup_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEmptyAnnotations'),
    dict(type='MultiBranch', branch_field=branch_field, unsup_teacher=weak_pipeline, unsup_student=strong_pipeline),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(128, 96), keep_ratio=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
dataset = dict(
    type='CocoDataset',
    data_root='data/balloon/',
    metainfo=dict(classes=('balloon',)),
    data_prefix=dict(img='images/'),
)
labeled_dataset = dict(ann_file='train.json', pipeline=sup_pipeline, filter_cfg=dict(filter_empty_gt=True), **dataset)
unlabeled_dataset = dict(
    ann_file='unlabeled.json', pipeline=unsup_pipeline, filter_cfg=dict(filter_empty_gt=False), **dataset
)
train_dataloader = dict(
    _delete_=True,
    batch_size=3,
    num_workers=0,
    sampler=dict(type='GroupMultiSourceSampler', batch_size=3, source_ratio=[1, 2]),
    dataset=dict(type='ConcatDataset', datasets=[labeled_dataset, unlabeled_dataset]),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(ann_file='val.json', pipeline=test_pipeline, test_mode=True, **dataset),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='data/balloon/val.json')
test_evaluator = val_evaluator

train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=3, val_interval=3)
val_cfg = dict(type='TeacherStudentValLoop')
param_scheduler = [dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500)]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3, max_keep_ckpts=2), logger=dict(interval=1))
log_processor = dict(by_epoch=False)
custom_hooks = [dict(type='MeanTeacherHook')]
