# HRNetV2-W18, official protocol: NME 3.45 on test (TPAMI table XXII); NME 3.45 on test (HRNet-Facial-Landmark-
# Detection README).
# Differences from the official code: a face box is the annotation file's, not that of the landmarks in whole pixels. If
# it is larger, the NME is expected to be higher, and the reverse.
# Command: python tools/train.py configs/face/td-hm_hrnetv2-w18_1xb16-60e_cofw-256x256.py
_base_ = '../_base_/recipes/td-hm_hrnetv2-w18_wflw-256x256.py'
model = dict(head=dict(out_channels=29))
dataset = dict(type='COFWDataset', data_root='data/cofw/')
train_dataloader = dict(dataset=dict(dataset, ann_file='annotations/cofw_train.json'))
val_dataloader = dict(dataset=dict(dataset, ann_file='annotations/cofw_test.json'))
test_dataloader = val_dataloader
