"""mmpose's SimpleBaseline with HRNetV1 in place of ResNet, on two data sets with converted keypoints."""

_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py'
custom_imports = dict(imports=['gestures.datasets'], allow_failed_imports=False)

codec = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
model = dict(
    backbone=dict(_delete_=True, type='hrnet_mm.HRNetV1', arch='test-w4'),
    head=dict(in_channels=4, deconv_out_channels=None, deconv_kernel_sizes=None, decoder=codec),
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
to_coco = [dict(type='KeypointConverter', num_keypoints=17, mapping=[(0, 0), (1, 9), (2, 10), (3, 15), (4, 16)])]


def coco(part, pipeline, **settings):
    return dict(
        type='CocoDataset',
        data_root='data/coco/',
        data_mode='topdown',
        ann_file=f'annotations/person_keypoints_{part}2017.json',
        data_prefix=dict(img=f'{part}2017/'),
        pipeline=pipeline,
        **settings,
    )


def gestures(part, pipeline, **settings):
    return dict(
        type='GesturesDataset',
        data_root='data/gestures/',
        data_mode='topdown',
        ann_file=f'annotations/{part}.json',
        data_prefix=dict(img=f'images/{part}/'),
        pipeline=pipeline,
        **settings,
    )


both = dict(type='CombinedDataset', metainfo=dict(from_file='configs/_base_/datasets/coco.py'))
val_datasets = [coco('val', [], test_mode=True), gestures('val', to_coco, test_mode=True)]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        datasets=[coco('train', []), gestures('train', to_coco)],
        pipeline=train_pipeline,
        sample_ratio_factor=[1.0, 0.5],
        **both,
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(_delete_=True, datasets=val_datasets, pipeline=val_pipeline, test_mode=True, **both),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True,
    type='MultiDatasetEvaluator',
    metrics=[dict(type='PCKAccuracy', prefix='coco'), dict(type='AUC', prefix='gestures')],
    datasets=val_datasets,
)
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=2, val_begin=2, val_interval=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, save_best='coco/PCK', rule='greater'))
