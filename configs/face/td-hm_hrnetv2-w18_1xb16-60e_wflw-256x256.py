# HRNetV2-W18, official protocol: NME 4.6 on test + subsets (TPAMI table XX); NME 4.6 on test + subsets (HRNet-Facial-
# Landmark-Detection README).
# The flip pairs of the official code were wrong until August 2019; the README row is newer than the paper's.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/face/td-hm_hrnetv2-w18_1xb16-60e_wflw-256x256.py
_base_ = '../_base_/recipes/td-hm_hrnetv2-w18_wflw-256x256.py'
