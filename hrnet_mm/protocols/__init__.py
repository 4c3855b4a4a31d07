"""What the official HRNet recipes do and OpenMMLab's parts cannot express; one module per library.

Importing a module registers its parts in that library's registries, so a config needs one more import line:
`custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg', 'hrnet_mm.protocols.mmseg'], allow_failed_imports=False)`.

`hrnet_mm.protocols.mmseg`
    `OfficialCrossEntropy` (loss): class weights (`class_weight='cityscapes'` or a list), and OHEM per GPU (`thresh`).
    `OfficialTTA` (tta_model): scales, flip with swapped labels, windows; sums exp(logits).
    `CITYSCAPES_CLASS_WEIGHTS`: the 19 numbers.

`hrnet_mm.protocols.mmpose`
    `OfficialBBoxTransform` (transform): the scale and rotation of the pose and face recipes.
    `SkipNonPositiveY` (transform), `FaceHeatmap` (codec), `FaceAlignmentMetric` (metric): the face protocol.
    `PoseTrackMetric` (metric): PoseTrack's mAP and MOTA, without poseval.

`hrnet_mm.protocols.mmpretrain`
    `ComparisonResNet` (backbone): ResNet-38, 72 and 106, with which the paper compares HRNet-C.

The two heads that no library has come with `hrnet_mm.drop_in.mmdet_heads` (`type='CenterNetTripletHead'`) and
`hrnet_mm.drop_in.mmpose_heads` (`type='HigherHRHead'`, codec `HigherHREmbedding`; it also repairs mmpose's
`BottomupGetHeatmapMask`). Both names also take the prefix `hrnet_mm.`.

The rest of the recipes is arguments of the libraries' own parts:

LIP's left/right labels in training flips
    `RandomFlip(prob=0.5, swap_seg_labels=[(14, 15), (16, 17), (18, 19)])`
scales 0.5, 0.6, ... 2.1 of the long side (2048 for Cityscapes, 520 for PASCAL-Context; LIP stops at 1.6)
    `RandomChoiceResize(scales=[(L, L), ...], keep_ratio=True)` with `L = int(base * s / 10 + 0.5)`, s = 5 ... 21
black padding before normalization
    `Pad(size=crop, pad_val=dict(img=0, seg=255))` in the pipeline, before `RandomCrop(crop_size=crop)`
Gaussians at the rounded cell, MSE halved, flip shifted by a pixel, OKS-NMS
    `MSRAHeatmap`, `KeypointMSELoss(use_target_weight=True, loss_weight=0.5)`, `test_cfg=dict(flip_test=True,
    shift_heatmap=True)`, `CocoMetric(nms_mode='oks_nms', nms_thr=0.9, keypoint_score_thr=0.2)`
half bodies, the upper one in 69 % of the draws (`randn() < 0.5`)
    `RandomHalfBody(min_total_keypoints=9, min_upper_keypoints=3, min_lower_keypoints=3, upper_prioritized_prob=0.6915)`
MPII's published "PCKh@0.1", which the official code measures at 0.11
    `MpiiPCKAccuracy(thr=0.11, norm_item='head')`, whose `PCK` it is; the same metric's `PCK@0.1` is at 0.10
plain MSE over all face maps
    `KeypointMSELoss()`; `FaceHeatmap` gives every map the weight 1
"""
