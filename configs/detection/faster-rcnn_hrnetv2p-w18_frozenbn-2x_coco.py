# Faster R-CNN on HRNetV2p-W18, 2x of maskrcnn-benchmark, batch norm frozen whole: box AP 38.4 on val2017 (HRNet-
# MaskRCNN-Benchmark README).
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w18_frozenbn-2x_coco.py
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p_benchmark.py',
    '../_base_/datasets/coco_detection_iters.py',
    '../_base_/schedules/detection_mrb_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w18', pretrained=_base_.imagenet_weights.w18), neck=dict(arch='w18'))
