# Faster R-CNN with HRNetV2p and the boxes, losses and proposals of HRNet-Object-Detection.
_base_ = ['./faster-rcnn_hrnetv2p.py', './official_boxes.py']
model = dict(
    rpn_head=_base_.official_rpn_head,
    roi_head=dict(
        type='OfficialRoIHead',
        bbox_roi_extractor=_base_.official_roi_extractor,
        bbox_head=_base_.official_bbox_head,
    ),
    train_cfg=_base_.official_train_cfg,
    test_cfg=_base_.official_test_cfg,
)
