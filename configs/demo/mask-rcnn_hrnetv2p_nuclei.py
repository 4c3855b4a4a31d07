# Instance segmentation and boxes: Mask R-CNN on HRNetV2p, 125 nuclei of one real microscopy image (hrnet_mm.data).
# The left three quarters of the image are for training, the right quarter for testing.
# docs/demonstration.md has the results.
# The recipe was chosen on columns 0-287 -> 288-383 (fit.json -> val.json) alone: hrnet-mm demo instances --holdout
# Command: hrnet-mm demo instances, or after that python tools/train.py configs/demo/mask-rcnn_hrnetv2p_nuclei.py
_base_ = ['mmdet::_base_/models/mask-rcnn_r50_fpn.py', './_base_/nuclei_instances.py', './_base_/short.py']
default_scope = 'mmdet'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)

model = dict(
    data_preprocessor=dict(mean=[32.6] * 3, std=[24.4] * 3),  # of the training part
    backbone=dict(_delete_=True, type='HRNet', arch='w18-small-v1', norm_eval=False),
    neck=dict(_delete_=True, type='HRFPN', arch='w18-small-v1', out_channels=64),
    # Heads a quarter as wide as usual, and anchors of 16 to 256 pixels: nuclei are about 48 after enlarging.
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=1),
        mask_roi_extractor=dict(out_channels=64),
        mask_head=dict(num_convs=2, in_channels=64, conv_out_channels=64, num_classes=1),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=500, max_per_img=200), rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=300), rcnn=dict(max_per_img=200)),
)

train_cfg = dict(type='IterBasedTrainLoop', max_iters=200)
param_scheduler = dict(type='OneCycleLR', eta_max=2e-3, total_steps=200, by_epoch=False)
