# Associative embedding on HRNetV1-W32, 512x512: AP 64.1 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README).
# HigherHRNet's head at one resolution, with mmpose's rate and batch size (AP 65.6 on val). mmpose's own config of AE
# has no training pipeline.
# Command: python tools/train.py configs/pose/ae_hrnet-w32_8xb24-300e_coco-512x512.py
_base_ = '../_base_/recipes/higherhrnet_coco-512x512.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
encoding = dict(_base_.encoding, heatmap_sizes=[(128, 128)])
model = dict(backbone=dict(init_cfg=weights), head=dict(deconv_out_channels=[], decoder=encoding))
train_pipeline = [*_base_.load, dict(type='GenerateTarget', encoder=encoding), *_base_.pack]
train_dataloader = dict(batch_size=24, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
auto_scale_lr = dict(base_batch_size=192)
