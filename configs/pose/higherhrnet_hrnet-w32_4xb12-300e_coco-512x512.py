# HigherHRNet-W32, 512x512: AP 67.1 on val2017 (HigherHRNet-Human-Pose-Estimation README); AP 69.9 on val2017
# (HigherHRNet-Human-Pose-Estimation README); AP 66.4 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README).
# 69.9 is the multi-scale test: `hrnet-mm test CONFIG --weights FILE --tta`.
# test-dev: `hrnet-mm test CONFIG --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json
# test_evaluator.format_only=True test_evaluator.outfile_prefix=work_dirs/test-dev`.
# Differences from the official code, each expected below 0.1 AP: masks are warped at the size of the input; all people
# of an image can get keypoints, not only the first 30 of the grouping; rates drop after 200 and 260 epochs, not 199 and
# 259 (its loop on PyTorch 1.4).
# Command: python tools/train.py configs/pose/higherhrnet_hrnet-w32_4xb12-300e_coco-512x512.py
_base_ = '../_base_/recipes/higherhrnet_coco-512x512.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
model = dict(backbone=dict(init_cfg=weights))
