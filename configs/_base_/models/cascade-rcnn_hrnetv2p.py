# mmdet's Cascade R-CNN with HRNetV2p for ResNet-50-FPN; a config gives the width to backbone and neck.
_base_ = 'mmdet::_base_/models/cascade-rcnn_r50_fpn.py'
model = dict(
    backbone=dict(_delete_=True, type='HRNet', arch='w32'),
    neck=dict(_delete_=True, type='HRFPN', arch='w32'),
)
