# DEKR on HRNetV2-W32, official recipe: AP 68.0 on val2017 (DEKR README); AP 70.7 on val2017 (DEKR README); AP 67.3 on
# test-dev2017 (DEKR README); AP 69.8 on test-dev2017 (DEKR README).
# 70.7 and 69.8 are the multi-scale test: `hrnet-mm test CONFIG --weights FILE --tta`.
# test-dev: `hrnet-mm test CONFIG --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json
# test_evaluator.format_only=True test_evaluator.outfile_prefix=work_dirs/test-dev`.
# Poses matched to the heatmaps have AP 68.0 and 71.0 on val, 67.3 and 70.2 on test-dev:
# `--cfg-options model.test_cfg.match_heatmaps=True`, the second with --tta.
# Differences from the official code, expected below 0.1 AP: masks are warped at the size of the input.
# Command: python tools/train.py configs/pose/dekr_hrnet-w32_official-4xb10-140e_coco-512x512.py
_base_ = '../_base_/recipes/dekr_official_coco-512x512.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
model = dict(backbone=dict(init_cfg=weights))
