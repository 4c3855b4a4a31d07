# HRNetV1-W48, mmpose's recipe: AP 84.6 with ground-truth boxes, 77.8 with detected ones on val (mmpose).
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_8xb64-20e_posetrack18-384x288.py
_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/posetrack18/td-hm_hrnet-w48_8xb64-20e_posetrack18-384x288.py',
    '../_base_/models/imagenet_weights.py',
    '../_base_/reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w48)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w48', init_cfg=weights))
val_evaluator = dict(type='PoseTrackMetric')  # mmpose's needs poseval, and gives no MOTA
test_evaluator = val_evaluator
