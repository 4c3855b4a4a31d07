# HRNetV1-W48, mmpose's recipe: AP 76.7 on val (mmpose).
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_8xb32-210e_coco-384x288.py
_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w48_8xb32-210e_coco-384x288.py',
    '../_base_/reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpose'], allow_failed_imports=False)
model = dict(backbone=dict(_delete_=True, type='HRNet', arch='w48', init_cfg=_base_.model.backbone.init_cfg))
