# Associative embedding on HRNetV1-W32, mmpose's recipe: AP 65.6 on val2017 (mmpose).
# mmpose's own config has no training pipeline; here it is mmpose's of DEKR.
# Command: python tools/train.py configs/pose/ae_hrnet-w32_8xb24-300e_coco-512x512.py
_base_ = [
    'mmpose::body_2d_keypoint/associative_embedding/coco/ae_hrnet-w32_8xb24-300e_coco-512x512.py',
    '../_base_/datasets/bottom_up_pieces.py',
    '../_base_/reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w32', init_cfg=_base_.model.backbone.init_cfg))
affine = dict(type='BottomupRandomAffine', input_size=_base_.codec.input_size)
target = dict(type='GenerateTarget', encoder=_base_.codec)
train_pipeline = [dict(type='LoadImage'), affine, _base_.flip, target, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
