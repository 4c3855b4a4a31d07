# Detection: Faster R-CNN on HRNetV2p, red and white blood cells and platelets in 205 -> 72 images of BCCD's own split
# (docs/learn.md). Images of 640 x 480 are halved.
# Command: python tools/research/learn.py bccd, or python tools/train.py configs/learn/faster-rcnn_hrnetv2p_bccd.py
_base_ = '../demo/mask-rcnn_hrnetv2p_nuclei.py'
model = dict(
    type='FasterRCNN',
    data_preprocessor=dict(mean=[188.0, 178.0, 182.0], std=[20.0] * 3, bgr_to_rgb=True, pad_mask=False),
    roi_head=dict(bbox_head=dict(num_classes=3), mask_roi_extractor=None, mask_head=None),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(320, 240)),
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(320, 240)),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
dataset = dict(data_root='{{$HRNET_MM_DATA:data/learn}}/bccd', metainfo=dict(classes=('RBC', 'WBC', 'Platelets')))
train_dataloader = dict(dataset=dict(**dataset, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(**dataset, pipeline=test_pipeline))
test_evaluator = dict(ann_file='{{$HRNET_MM_DATA:data/learn}}/bccd/test.json', metric='bbox')
train_cfg = dict(max_iters=900)
param_scheduler = dict(total_steps=900)
