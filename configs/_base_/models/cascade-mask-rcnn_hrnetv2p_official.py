# Cascade Mask R-CNN with HRNetV2p and the boxes and mask targets of HRNet-Object-Detection.
_base_ = ['./cascade-mask-rcnn_hrnetv2p.py', './official_boxes.py']
coder = dict(type='OfficialBoxCoder')
heads = [dict(head, bbox_coder=dict(head.bbox_coder, **coder)) for head in _base_.model.roi_head.bbox_head]
matching = dict(match_low_quality=True, iou_calculator=_base_.official_overlaps)
stages = [dict(stage, assigner=dict(stage.assigner, **matching)) for stage in _base_.model.train_cfg.rcnn]
model = dict(
    rpn_head=_base_.official_rpn_head,
    roi_head=dict(
        type='OfficialCascadeRoIHead',
        bbox_roi_extractor=_base_.official_roi_extractor,
        bbox_head=heads,
        mask_roi_extractor=_base_.official_roi_extractor,
        mask_head=dict(type='OfficialMaskHead'),
    ),
    train_cfg=dict(rpn=_base_.official_train_rpn, rpn_proposal=_base_.official_proposals, rcnn=stages),
    test_cfg=_base_.official_test_cfg,
)
