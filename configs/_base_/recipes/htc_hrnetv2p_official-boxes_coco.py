# HTC with HRNetV2p and the boxes and mask targets of HRNet-Object-Detection.
_base_ = ['./htc_hrnetv2p_coco.py', '../models/official_boxes.py', '../datasets/coco_detection_pieces.py']
coder = dict(type='OfficialBoxCoder')
heads = [dict(head, bbox_coder=dict(head.bbox_coder, **coder)) for head in _base_.model.roi_head.bbox_head]
masks = [dict(head, type='OfficialHTCMaskHead') for head in _base_.model.roi_head.mask_head]
matching = dict(match_low_quality=True, iou_calculator=_base_.official_overlaps)
stages = [dict(stage, assigner=dict(stage.assigner, **matching)) for stage in _base_.model.train_cfg.rcnn]
model = dict(
    rpn_head=_base_.official_rpn_head,
    roi_head=dict(
        type='OfficialHTCRoIHead',
        bbox_roi_extractor=_base_.official_roi_extractor,
        bbox_head=heads,
        mask_roi_extractor=_base_.official_roi_extractor,
        mask_head=masks,
        semantic_roi_extractor=_base_.official_roi_extractor,
    ),
    train_cfg=dict(rpn=_base_.official_train_rpn, rpn_proposal=_base_.official_proposals, rcnn=stages),
    test_cfg=_base_.official_test_cfg,
)
train_pipeline = [*_base_.load_stuff, _base_.inclusive, _base_.resize, *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
