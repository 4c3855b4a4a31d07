# FCOS as in its authors' code: BGR images of 0 to 255, 180,000 iterations of 16 images, steps 120,000 and 160,000,
# constant warm-up, NMS at 0.6, boxes that contain their last pixel (docs/protocols.md). The authors' COCO 2014
# trainval35k and mmdet's train2017 are the same images.
_base_ = './fcos_hrnetv2p_coco.py'
model = dict(
    data_preprocessor=dict(mean=[102.9801, 115.9465, 122.7717], std=[1.0, 1.0, 1.0]),
    bbox_head=dict(type='OfficialFCOSHead', bbox_coder=dict(type='OfficialPointCoder')),
    test_cfg=dict(nms=dict(iou_threshold=0.6, offset=1), min_bbox_size=-1),
)
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=180_000, val_interval=180_000)
steps = dict(type='MultiStepLR', by_epoch=False, begin=0, end=180_000, milestones=[120_000, 160_000], gamma=0.1)
param_scheduler = [_base_.warmup, steps]
biases = dict(lr_mult=2.0, decay_mult=0.0)  # those of norms, too
optim_wrapper = dict(clip_grad=None, paramwise_cfg=dict(_delete_=True, custom_keys=dict(bias=biases)))
train_pipeline = [*_base_.load, _base_.inclusive, _base_.resize, *_base_.pack]
train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True), dataset=dict(pipeline=train_pipeline))
