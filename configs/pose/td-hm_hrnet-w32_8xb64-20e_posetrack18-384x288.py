# HRNetV1-W32, mmpose's recipe: AP 83.7 with ground-truth boxes, 77.3 with detected ones on val (mmpose).
# Command: python tools/train.py configs/pose/td-hm_hrnet-w32_8xb64-20e_posetrack18-384x288.py
_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/posetrack18/td-hm_hrnet-w32_8xb64-20e_posetrack18-384x288.py',
    '../_base_/models/imagenet_weights.py',
    '../_base_/reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w32', init_cfg=weights))
val_evaluator = dict(type='PoseTrackMetric')  # mmpose's needs poseval, and gives no MOTA
test_evaluator = val_evaluator
