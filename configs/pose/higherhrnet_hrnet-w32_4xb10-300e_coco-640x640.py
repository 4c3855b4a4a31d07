# HigherHRNet-W32, 640x640: AP 68.5 on val2017 (HigherHRNet-Human-Pose-Estimation README); AP 70.6 on val2017
# (HigherHRNet-Human-Pose-Estimation README).
# 70.6 is the multi-scale test: `hrnet-mm test CONFIG --weights FILE --tta`.
# Differences from the official code, each expected below 0.1 AP: masks are warped at the size of the input; all people
# of an image can get keypoints, not only the first 30 of the grouping; rates drop after 200 and 260 epochs, not 199 and
# 259 (its loop on PyTorch 1.4).
# Command: python tools/train.py configs/pose/higherhrnet_hrnet-w32_4xb10-300e_coco-640x640.py
_base_ = '../_base_/recipes/higherhrnet_coco-640x640.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w32)
model = dict(backbone=dict(init_cfg=weights))
