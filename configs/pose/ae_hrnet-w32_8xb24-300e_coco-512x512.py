# Associative embedding on HRNetV1-W32, 512x512: AP 64.1 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README).
# One resolution of HigherHRNet's head, with mmpose's rate and batch (AP 65.6 on val there): mmpose's own AE cannot be
# trained.
# Command: python tools/train.py configs/pose/ae_hrnet-w32_8xb24-300e_coco-512x512.py
_base_ = '../_base_/pose/higherhrnet.py'
weights = dict(
    type='Pretrained', checkpoint='https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth'
)
encoding = dict(_base_.encoding, heatmap_sizes=[(128, 128)])
model = dict(backbone=dict(init_cfg=weights), head=dict(deconv_out_channels=[], decoder=encoding))
target = dict(type='GenerateTarget', encoder=encoding)
train_pipeline = [*_base_.train_pipeline[:3], target, *_base_.train_pipeline[4:]]
train_dataloader = dict(batch_size=24, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
auto_scale_lr = dict(base_batch_size=192)
