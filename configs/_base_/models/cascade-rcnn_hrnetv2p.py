# mmdet's Cascade R-CNN with HRNetV2p instead of ResNet-50-FPN. A config sets the width of backbone and neck.
_base_ = ['mmdet::_base_/models/cascade-rcnn_r50_fpn.py', './imagenet_weights.py']
model = dict(
    backbone=dict(_delete_=True, type='HRNet', arch='w32'),
    neck=dict(_delete_=True, type='HRFPN', arch='w32'),
)
