# Cascade Mask R-CNN on HRNetV2p-W18, 20e: mask AP 36.4 and box AP 41.9 on val2017 (TPAMI table X); mask AP 36.4 and
# box AP 41.9 on val2017 (TPAMI Appendix E); mask AP 36.4 and box AP 41.9 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/cascade-mask-rcnn_hrnetv2p-w18_20e_coco.py
_base_ = [
    '../_base_/models/cascade-mask-rcnn_hrnetv2p.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/detection_20e.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
