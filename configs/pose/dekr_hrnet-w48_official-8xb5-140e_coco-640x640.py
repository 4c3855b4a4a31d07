# DEKR on HRNetV2-W48, official recipe: AP 71.0 on val2017 (DEKR README); AP 72.3 on val2017 (DEKR README); AP 70.0 on
# test-dev2017 (DEKR README); AP 71.0 on test-dev2017 (DEKR README).
# 72.3 and the second 71.0 are the multi-scale test: `hrnet-mm test CONFIG --weights FILE --tta`.
# test-dev: `hrnet-mm test CONFIG --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json
# test_evaluator.format_only=True test_evaluator.outfile_prefix=work_dirs/test-dev`.
# Poses matched to the heatmaps have AP 71.0 and 72.8 on val, 70.1 and 71.4 on test-dev:
# `--cfg-options model.test_cfg.match_heatmaps=True`, the second with --tta.
# Differences from the official code, expected below 0.1 AP: masks are warped at the size of the input.
# Command: python tools/train.py configs/pose/dekr_hrnet-w48_official-8xb5-140e_coco-640x640.py
_base_ = '../_base_/recipes/dekr_official_coco-640x640.py'
