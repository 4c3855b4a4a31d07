# DEKR on HRNetV2-W48, official recipe: AP 67.3 on CrowdPose test (DEKR README); AP 68.0 on CrowdPose test (DEKR
# README).
# 68.0 is the multi-scale test: `hrnet-mm test CONFIG --weights FILE --tta`.
# Poses matched to the heatmaps have AP 67.0 and 68.3:
# `--cfg-options model.test_cfg.match_heatmaps=True`, the second with --tta.
# Differences from the official code, expected below 0.1 AP: masks are warped at the size of the input.
# Command: python tools/train.py configs/pose/dekr_hrnet-w48_official-8xb5-300e_crowdpose-640x640.py
_base_ = './dekr_hrnet-w48_official-8xb5-140e_coco-640x640.py'
encoding = dict(_base_.encoding, sigma=(2, 2), minimal_area=0)
links = dict(in_channels=59, norm_indexes=(0, 1), init_cfg=dict(checkpoint=_base_.dekr_crowdpose_rescore_weights))
model = dict(
    head=dict(num_keypoints=14, decoder=encoding, rescore_cfg=links),
    test_cfg=dict(decrease=0.8),
)
train_cfg = dict(max_epochs=300)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=300, milestones=[200, 260], gamma=0.1)]
pipeline = [*_base_.load, dict(type='GenerateTarget', encoder=encoding), *_base_.pack]
dataset = dict(type='CrowdPoseDataset', data_root='data/crowdpose/', data_prefix=dict(img='images/'))
ann_file = 'annotations/mmpose_crowdpose_test.json'
train_dataloader = dict(dataset=dict(dataset, ann_file='annotations/mmpose_crowdpose_trainval.json', pipeline=pipeline))
val_dataloader = dict(dataset=dict(dataset, ann_file=ann_file))
test_dataloader = val_dataloader
crowd = dict(use_area=False, iou_type='keypoints_crowd', prefix='crowdpose')
val_evaluator = dict(crowd, ann_file='data/crowdpose/' + ann_file)
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='crowdpose/AP'))
