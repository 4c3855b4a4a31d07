# HRNetV1-W48 fine-tuned from COCO, single frames: mAP 74.9 on test (CVPR table 5); mAP 77.3 on val (secondary:
# translated blog of the arXiv version (stored page id 43477798150)).
# The tracking (FlowNet2 propagation) and the box enlargement of 15 % were never released; input size not stated.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_4xb32-20e_posetrack17-384x288.py
_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/posetrack18/td-hm_hrnet-w48_8xb64-20e_posetrack18-384x288.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w48'))
load_from = 'work_dirs/td-hm_hrnet-w48_4xb24-210e_coco-384x288/epoch_210.pth'
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=20, milestones=[10, 15], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=128)
root = 'data/posetrack17/'
train_dataloader = dict(batch_size=32, dataset=dict(data_root=root, ann_file='annotations/posetrack17_train.json'))
val_dataloader = dict(
    dataset=dict(
        data_root=root,
        ann_file='annotations/posetrack17_val.json',
        bbox_file=root + 'annotations/posetrack17_val_human_detections.json',
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=root + 'annotations/posetrack17_val.json')
test_evaluator = val_evaluator
