# Faster R-CNN with HRNetV2p as in HRNet-MaskRCNN-Benchmark: batch norm frozen whole, anchors of whole pixels, 2000
# proposals of a GPU's images together in training and 1000 of each image in test, RoIs that end in their last pixel.
_base_ = './faster-rcnn_hrnetv2p_official.py'
model = dict(
    backbone=dict(norm_cfg=dict(type='BN', requires_grad=False)),
    rpn_head=dict(type='BenchmarkRPNHead', anchor_generator=dict(type='BenchmarkAnchorGenerator')),
    roi_head=dict(bbox_roi_extractor=dict(whole_pixels=False)),
    train_cfg=dict(
        rpn=dict(assigner=dict(min_pos_iou=1e-6)),  # the best anchor of an object is positive at any overlap
        rcnn=dict(assigner=dict(match_low_quality=False)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=1000)),
)
