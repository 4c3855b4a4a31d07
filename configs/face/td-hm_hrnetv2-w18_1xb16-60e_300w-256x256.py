# HRNetV2-W18, official protocol: NME (full) 3.32 on full set (common / challenging) (TPAMI table XXIII); NME 3.85 on
# test (600 images) (TPAMI table XXIV); NME 3.85 and NME (full) 3.34 on common / challenge / full / test (HRNet-Facial-
# Landmark-Detection README).
# test: the 600 images of --cfg-options test_dataloader.dataset.ann_file=annotations/face_landmarks_300w_test.json.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/face/td-hm_hrnetv2-w18_1xb16-60e_300w-256x256.py
_base_ = '../_base_/recipes/td-hm_hrnetv2-w18_wflw-256x256.py'
codec = dict(type='FaceHeatmap', input_size=(256, 256), heatmap_size=(64, 64), sigma=1.0)
target = dict(type='GenerateTarget', encoder=codec)
train_pipeline = [*_base_.augmentation, target, dict(type='PackPoseInputs')]
model = dict(head=dict(out_channels=68, decoder=codec))
dataset = dict(type='Face300WDataset', data_root='data/300w/')
train_dataloader = dict(
    dataset=dict(dataset, ann_file='annotations/face_landmarks_300w_train.json', pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(dataset, ann_file='annotations/face_landmarks_300w_valid.json'))
test_dataloader = val_dataloader
