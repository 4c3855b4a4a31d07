# Human pose: top-down heatmaps on HRNetV1, rendered people on photographs (hrnet_mm.data).
# docs/demonstration.md has the results, docs/data.md says what rendered data can prove.
# The recipe was chosen on the training part alone (fit.json -> val.json): hrnet-mm demo pose --holdout
# Command: hrnet-mm demo pose, or after that python tools/train.py configs/demo/td-hm_hrnetv1_people.py
_base_ = ['./_base_/people.py', './_base_/short.py']
default_scope = 'mmpose'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True),
    backbone=dict(
        type='HRNet',
        arch='w18-small-v1',
        init_cfg=[dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer='_BatchNorm')],
    ),
    head=dict(
        type='HeatmapHead',
        in_channels=16,
        out_channels=17,
        deconv_out_channels=None,
        loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=1000.0),
        decoder=_base_.codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
)

train_cfg = dict(type='IterBasedTrainLoop', max_iters=900)
param_scheduler = dict(type='OneCycleLR', eta_max=3e-3, total_steps=900, by_epoch=False)
