# Heatmaps from the 4x branch (stride 16) at its own size. How the authors made the targets is not published.
_base_ = './td-hm_hrnet_coco-256x192.py'
codec = dict(type='MSRAHeatmap', input_size=(192, 256), heatmap_size=(12, 16), sigma=2)
find_unused_parameters = True  # those of the last exchange unit for the other branches
model = dict(
    backbone=dict(multiscale_output=True),
    neck=dict(type='FeatureMapProcessor', select_index=2),
    head=dict(decoder=codec),
)
target = dict(type='GenerateTarget', encoder=codec)
train_pipeline = [*_base_.augmentation, _base_.affine, target, dict(type='PackPoseInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
