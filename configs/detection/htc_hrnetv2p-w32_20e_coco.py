# HTC on HRNetV2p-W32, 20e: mask AP 39.6 and box AP 45.3 on val2017 (TPAMI table X); box AP 45.6 on test-dev2017 (TPAMI
# table XI); mask AP 39.6 and box AP 45.3 on val2017 (TPAMI Appendix E); mask AP 39.6 and box AP 45.3 on val2017
# (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/htc_hrnetv2p-w32_20e_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Losses, stages and schedule are the official ones. Differences from HRNet-Object-Detection: boxes without + 1, aligned
# RoIs with adaptive sampling, 1000 instead of 2000 proposals in test; for a training, AP is expected to be equal or
# slightly higher. Weights converted from that repository give boxes up to a pixel off, and by mmdet's note on such
# weights an AP within 1 of theirs; htc_hrnetv2p-w32_official-boxes-20e_coco.py gives their boxes.
# Test-dev: hrnet-mm test configs/detection/htc_hrnetv2p-w32_20e_coco.py --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json test_evaluator.format_only=True
# test_evaluator.outfile_prefix=work_dirs/test-dev; send work_dirs/test-dev.bbox.json to the server.
_base_ = '../_base_/recipes/htc_hrnetv2p_coco.py'
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
