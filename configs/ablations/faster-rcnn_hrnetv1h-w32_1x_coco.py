# Faster R-CNN on HRNetV1h-W32, 1x: V2p's pyramid on the finest branch, widened by a 1x1 convolution to 480 channels.
# Slide 49 and TPAMI figure 10 are bar charts of V1, V1h and V2p without numbers; V2p is
# configs/detection/faster-rcnn_hrnetv2p-w32_1x_coco.py.
# No code was released. Assumed: the schedule, data and weights of V2p.
# Command: python tools/train.py configs/ablations/faster-rcnn_hrnetv1h-w32_1x_coco.py
_base_ = '../detection/faster-rcnn_hrnetv2p-w32_1x_coco.py'
model = dict(
    backbone=dict(multiscale_output=False),
    neck=dict(_delete_=True, type='hrnet_mm.HRNetV1hFPN', arch='w32'),
)
