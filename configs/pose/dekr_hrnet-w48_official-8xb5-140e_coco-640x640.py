# DEKR on HRNetV2-W48, official recipe: AP 71.0 on val2017 (DEKR README); AP 72.3 on val2017 (DEKR README); AP 70.0 on
# test-dev2017 (DEKR README); AP 71.0 on test-dev2017 (DEKR README).
# 72.3 and the second 71.0 are the multi-scale test: `hrnet-mm test CONFIG --weights FILE --tta`.
# test-dev: `hrnet-mm test CONFIG --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json
# test_evaluator.format_only=True test_evaluator.outfile_prefix=work_dirs/test-dev`.
# Differences from the official code, each expected below 0.1 AP: masks are warped at the size of the input. The rows of
# poses that are matched to the heatmaps (72.8, 71.4) need `lib/core/match.py`, which is not here.
# Command: python tools/train.py configs/pose/dekr_hrnet-w48_official-8xb5-140e_coco-640x640.py
_base_ = '../_base_/recipes/dekr_official_coco-640x640.py'
