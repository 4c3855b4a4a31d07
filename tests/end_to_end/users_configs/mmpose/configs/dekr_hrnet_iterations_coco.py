"""mmpose's bottom-up DEKR with the drop-in line (which repairs its masks), by iterations in place of epochs."""

_base_ = 'mmpose::body_2d_keypoint/dekr/coco/dekr_hrnet-w32_8xb10-140e_coco-512x512.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)

codec = dict(
    type='SPR',
    input_size=(64, 64),
    heatmap_size=(16, 16),
    sigma=(4, 2),
    minimal_diagonal_length=32**0.5,
    generate_keypoint_heatmaps=True,
    decode_max_instances=30,
)
model = dict(
    backbone=dict(_delete_=True, type='HRNet', arch='test-w4', multiscale_output=True),
    head=dict(in_channels=60, decoder=codec, rescore_cfg=None),
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='BottomupRandomAffine', input_size=codec['input_size']),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='BottomupGetHeatmapMask'),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='BottomupResize', input_size=codec['input_size'], size_factor=32, resize_mode='expand'),
    dict(
        type='PackPoseInputs',
        meta_keys=(
            *('id', 'img_id', 'img_path', 'crowd_index', 'ori_shape', 'img_shape', 'input_size', 'input_center'),
            *('input_scale', 'flip', 'flip_direction', 'flip_indices', 'raw_ann_info', 'skeleton_links'),
        ),
    ),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=4, val_interval=2)
param_scheduler = [
    dict(type='LinearLR', begin=0, end=2, start_factor=0.1, by_epoch=False),
    dict(type='PolyLR', begin=2, end=10, power=0.9, eta_min=1e-5, by_epoch=False),
]
log_processor = dict(by_epoch=False)
custom_hooks = []
default_hooks = dict(
    logger=dict(interval=1, log_metric_by_epoch=False), checkpoint=dict(by_epoch=False, interval=2, save_best='auto')
)
