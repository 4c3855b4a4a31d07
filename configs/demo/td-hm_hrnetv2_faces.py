# Face landmarks: heatmaps on HRNetV2, rendered faces with the 98 points of WFLW (hrnet_mm.data).
# docs/demonstration.md has the results, docs/data.md says what rendered data can prove.
# The recipe was chosen on the training part alone (fit.json -> val.json): hrnet-mm demo faces --holdout
# Command: hrnet-mm demo faces, or after that python tools/train.py configs/demo/td-hm_hrnetv2_faces.py
_base_ = ['./_base_/faces.py', './_base_/short.py']
default_scope = 'mmpose'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True),
    backbone=dict(
        type='HRNet',
        arch='w18-small-v1',
        multiscale_output=True,
        fuse_upsample='bilinear',
        init_cfg=[dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer='_BatchNorm')],
    ),
    neck=dict(type='FeatureMapProcessor', concat=True),
    head=dict(
        type='HeatmapHead',
        in_channels=240,
        out_channels=98,
        deconv_out_channels=None,
        conv_out_channels=(240,),
        conv_kernel_sizes=(1,),
        loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=1000.0),
        decoder=_base_.codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
)

train_cfg = dict(type='IterBasedTrainLoop', max_iters=300)
param_scheduler = dict(type='OneCycleLR', eta_max=3e-3, total_steps=300, by_epoch=False)
