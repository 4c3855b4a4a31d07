# Faster R-CNN on HRNetV2p-W32, 1x of maskrcnn-benchmark, batch norm frozen whole: box AP 39.6 on val2017
# (HRNet-MaskRCNN-Benchmark README).
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w32_frozenbn-1x_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Weights converted from HRNet-MaskRCNN-Benchmark give its boxes up to the resizing: OpenCV's here, PIL's there. Other
# differences that remain: the best anchor of an object is sought inside the image, there also outside; boxes go back to
# the size of the file before NMS, there after it; HRFPN and the two linear layers start from uniform instead of normal,
# and from Xavier's instead of Kaiming's weights. No change of AP is expected beyond that between seeds.
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p_benchmark.py',
    '../_base_/datasets/coco_detection_iters.py',
    '../_base_/schedules/detection_mrb_1x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
