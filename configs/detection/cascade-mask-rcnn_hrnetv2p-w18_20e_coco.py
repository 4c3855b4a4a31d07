# Cascade Mask R-CNN on HRNetV2p-W18, 20e: mask AP 36.4 and box AP 41.9 on val2017 (TPAMI table X); mask AP 36.4 and box
# AP 41.9 on val2017 (TPAMI Appendix E); mask AP 36.4 and box AP 41.9 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/cascade-mask-rcnn_hrnetv2p-w18_20e_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Losses, stages and schedule are the official ones. Differences from HRNet-Object-Detection: boxes without + 1, aligned
# RoIs with adaptive sampling, 1000 instead of 2000 proposals in test; for a training, AP is expected to be equal or
# slightly higher. Weights converted from that repository give boxes up to a pixel off, and by mmdet's note on such
# weights an AP within 1 of theirs; cascade-mask-rcnn_hrnetv2p-w32_official-boxes-20e_coco.py gives their boxes.
_base_ = [
    '../_base_/models/cascade-mask-rcnn_hrnetv2p.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/detection_20e.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
