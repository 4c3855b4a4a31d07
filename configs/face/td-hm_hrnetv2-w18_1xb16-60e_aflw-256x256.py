# HRNetV2-W18, official protocol: NME (full) 1.57 on full / frontal (TPAMI table XXI); NME (full) 1.57 on full /
# frontal (HRNet-Facial-Landmark-Detection README).
# frontal: --cfg-options test_dataloader.dataset.ann_file=annotations/face_landmarks_aflw_test_frontal.json.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/face/td-hm_hrnetv2-w18_1xb16-60e_aflw-256x256.py
_base_ = '../_base_/recipes/td-hm_hrnetv2-w18_wflw-256x256.py'
model = dict(head=dict(out_channels=19))
dataset = dict(type='AFLWDataset', data_root='data/aflw/')
train_dataloader = dict(dataset=dict(dataset, ann_file='annotations/face_landmarks_aflw_train.json'))
val_dataloader = dict(dataset=dict(dataset, ann_file='annotations/face_landmarks_aflw_test.json'))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=2e-4))
