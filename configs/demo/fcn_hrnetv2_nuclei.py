# Semantic segmentation: FCN decoder on HRNetV2, nucleus or background in one real microscopy image (hrnet_mm.data).
# The left three quarters of the image are for training, the right quarter for testing.
# docs/demonstration.md has the results.
# The recipe was chosen on columns 0-287 -> 288-383 (fit.txt -> val.txt) alone: hrnet-mm demo segmentation --holdout
# Command: hrnet-mm demo segmentation, or after that python tools/train.py configs/demo/fcn_hrnetv2_nuclei.py
_base_ = ['./_base_/nuclei_semantic.py', './_base_/short.py']
default_scope = 'mmseg'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)

model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[32.6] * 3,  # of the training part
        std=[24.4] * 3,
        size=(256, 256),
        seg_pad_val=255,
        test_cfg=dict(size_divisor=1),
    ),
    backbone=dict(type='HRNet', arch='w18-small-v1'),
    decode_head=dict(
        type='FCNHead',
        in_channels=[16, 32, 64, 128],
        in_index=[0, 1, 2, 3],
        input_transform='resize_concat',
        channels=240,
        kernel_size=1,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0,
        num_classes=2,
        norm_cfg=dict(type='BN'),
        align_corners=False,
    ),
    test_cfg=dict(mode='whole'),
)

train_cfg = dict(type='IterBasedTrainLoop', max_iters=100)
param_scheduler = dict(type='OneCycleLR', eta_max=3e-3, total_steps=100, by_epoch=False)
