# HigherHRNet-W48, 640x640: AP 69.9 on val2017 (HigherHRNet-Human-Pose-Estimation README); AP 72.1 on val2017
# (HigherHRNet-Human-Pose-Estimation README); AP 68.4 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README); AP
# 70.5 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README).
# 72.1 and 70.5 are the multi-scale test: `hrnet-mm test CONFIG --weights FILE --tta`.
# test-dev: `hrnet-mm test CONFIG --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json
# test_evaluator.format_only=True test_evaluator.outfile_prefix=work_dirs/test-dev`.
# Differences from the official code, each expected below 0.1 AP: masks are warped at the size of the input; all people
# of an image can get keypoints, not only the first 30 of the grouping; rates drop after 200 and 260 epochs, not 199 and
# 259 (its loop on PyTorch 1.4); single precision, not half (--amp has it).
# Command: python tools/train.py configs/pose/higherhrnet_hrnet-w48_4xb10-300e_coco-640x640.py
_base_ = '../_base_/recipes/higherhrnet_coco-640x640.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w48)
model = dict(
    backbone=dict(arch='w48', init_cfg=weights),
    head=dict(in_channels=48, deconv_out_channels=[48]),
)
