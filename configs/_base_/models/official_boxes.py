# Pieces of models with the boxes of HRNet-Object-Detection (mmdetection 0.5), which contain their last pixel: coding,
# overlaps, anchors and NMS with x2 - x1 + 1, RoIAlign without alignment and with 2 x 2 samples, 2000 proposals in
# training and in test. docs/protocols.md describes the parts.
official_rpn_head = dict(
    anchor_generator=dict(type='LegacyAnchorGenerator', center_offset=0.5),
    bbox_coder=dict(type='OfficialBoxCoder'),
    loss_bbox=dict(type='SmoothL1Loss', beta=1 / 9),
)
official_roi_extractor = dict(type='OfficialRoIExtractor', roi_layer=dict(sampling_ratio=2, aligned=False))
official_bbox_head = dict(bbox_coder=dict(type='OfficialBoxCoder'), loss_bbox=dict(type='SmoothL1Loss', beta=1.0))
official_overlaps = dict(type='OfficialOverlaps')
official_proposals = dict(nms_pre=2000, max_per_img=2000, min_bbox_size=-1, nms=dict(offset=1))  # -1: of any size
official_train_rpn = dict(allowed_border=0, assigner=dict(iou_calculator=official_overlaps))
official_train_rcnn = dict(assigner=dict(match_low_quality=True, iou_calculator=official_overlaps))
official_train_cfg = dict(rpn=official_train_rpn, rpn_proposal=official_proposals, rcnn=official_train_rcnn)
official_test_cfg = dict(rpn=official_proposals, rcnn=dict(nms=dict(offset=1)))
