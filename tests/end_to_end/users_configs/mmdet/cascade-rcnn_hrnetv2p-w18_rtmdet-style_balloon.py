# A child of the library's own HRNet config, which the drop-in alone changes; cached mosaics that a hook exchanges for
# another pipeline, as in mmdet's RTMDet.
_base_ = 'mmdet::hrnet/cascade-rcnn_hrnetv2p-w18-20e_coco.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)

channels = (4, 8, 16, 32)
model = dict(
    backbone=dict(
        extra=dict(
            stage1=dict(num_blocks=(1,), num_channels=(16,)),
            stage2=dict(num_blocks=(1, 1), num_channels=channels[:2]),
            stage3=dict(num_modules=1, num_blocks=(1, 1, 1), num_channels=channels[:3]),
            stage4=dict(num_modules=1, num_blocks=(1, 1, 1, 1), num_channels=channels),
        ),
        norm_eval=False,
        init_cfg=None,
    ),
    neck=dict(in_channels=list(channels), out_channels=16),
    rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16),
        bbox_head=[
            dict(
                type='Shared2FCBBoxHead',
                in_channels=16,
                fc_out_channels=16,
                num_classes=1,
                reg_class_agnostic=True,
                bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]),
            )
        ]
        * 3,
    ),
    test_cfg=dict(rcnn=dict(score_thr=0.0, max_per_img=10)),
)
stages = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='CachedMosaic', img_scale=(128, 128), pad_val=114.0, max_cached_images=4, random_pop=False),
    dict(type='RandomResize', scale=(256, 256), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(128, 128)),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Pad', size=(128, 128), pad_val=dict(img=(114, 114, 114))),
    dict(
        type='CachedMixUp',
        img_scale=(128, 128),
        ratio_range=(1.0, 1.0),
        max_cached_images=4,
        random_pop=False,
        pad_val=(114, 114, 114),
        prob=0.5,
    ),
    dict(type='PackDetInputs'),
]
train_pipeline_stage2 = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(128, 96), keep_ratio=True),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(128, 96), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
data = dict(data_root='data/balloon/', metainfo=dict(classes=('balloon',)), data_prefix=dict(img='images/'))
train_dataloader = dict(
    num_workers=1,
    persistent_workers=True,
    dataset=dict(ann_file='train.json', pipeline=stages, **data),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(ann_file='val.json', pipeline=test_pipeline, **data),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='data/balloon/val.json')
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=2)
default_hooks = dict(logger=dict(interval=1))
custom_hooks = [dict(type='PipelineSwitchHook', switch_epoch=1, switch_pipeline=train_pipeline_stage2)]
