# HRNetV1-W48 fine-tuned from COCO, single frames: mAP 74.9 on test (CVPR table 5); mAP 77.3 on val (secondary:
# translated blog of the arXiv version).
# The tracking (FlowNet2 propagation) was never released, and the input size is not stated.
# Assumed are the input size, and the augmentation and batch of the COCO recipe.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_4xb32-20e_posetrack17-384x288.py
_base_ = '../_base_/recipes/td-hm_hrnet-w48_posetrack17-384x288.py'
load_from = 'work_dirs/td-hm_hrnet-w48_4xb24-210e_coco-384x288/epoch_210.pth'
