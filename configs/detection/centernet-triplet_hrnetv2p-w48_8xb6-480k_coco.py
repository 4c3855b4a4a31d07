# CenterNet (keypoint triplets) on HRNetV2p-W48: box AP 43.4 on val2017 (TPAMI table IX); box AP 43.5 on test-dev2017
# (TPAMI table XI).
# Command: python tools/train.py configs/detection/centernet-triplet_hrnetv2p-w48_8xb6-480k_coco.py
# The learning rate is for 48 images: 8 GPUs of 6; otherwise add --auto-scale-lr.
# No recipe for HRNet was released. Assumptions: the neck, its one map, and the schedule for Hourglass; the direction of
# their effect is not known. There are no official weights to convert.
# Test-dev: hrnet-mm test configs/detection/centernet-triplet_hrnetv2p-w48_8xb6-480k_coco.py --weights FILE
# --cfg-options test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json test_evaluator.format_only=True
# test_evaluator.outfile_prefix=work_dirs/test-dev; send work_dirs/test-dev.bbox.json to the server.
_base_ = '../_base_/recipes/centernet_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w48', pretrained=_base_.imagenet_weights.w48), neck=dict(arch='w48'))
