# Cascade R-CNN on HRNetV2p-W32, 20e, with the boxes of HRNet-Object-Detection: for weights converted from it; the
# results are those of cascade-rcnn_hrnetv2p-w32_20e_coco.py.
# Command: python tools/train.py configs/detection/cascade-rcnn_hrnetv2p-w32_official-boxes-20e_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Weights converted from HRNet-Object-Detection give its boxes. Other widths: --cfg-options model.backbone.arch=w18
# model.neck.arch=w18, and for a training model.backbone.pretrained. Difference that remains: an RoI narrower than a
# cell is widened to one, with no effect expected on AP.
_base_ = [
    '../_base_/models/cascade-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_detection_official.py',
    '../_base_/schedules/detection_20e.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
