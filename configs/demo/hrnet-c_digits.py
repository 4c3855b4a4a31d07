# Classification: HRNet-C on 5,000 real handwritten digits, 4,000 for training and 1,000 for testing (hrnet_mm.data).
# docs/demonstration.md has the results.
# The recipe was chosen on 3,000 -> 1,000 training digits (fit.txt -> val.txt) alone:
# hrnet-mm demo classification --holdout
# Command: hrnet-mm demo classification, or after that python tools/train.py configs/demo/hrnet-c_digits.py
_base_ = ['./_base_/digits.py', './_base_/short.py']
default_scope = 'mmpretrain'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain'], allow_failed_imports=False)

data_preprocessor = dict(num_classes=10, mean=[33.4] * 3, std=[78.5] * 3)  # of the training digits
model = dict(
    type='ImageClassifier',
    backbone=dict(type='HRNet', arch='w18-small-v1'),
    neck=[dict(type='HRFuseScales', arch='w18-small-v1'), dict(type='GlobalAveragePooling')],
    head=dict(type='LinearClsHead', in_channels=2048, num_classes=10, loss=dict(type='CrossEntropyLoss'), topk=(1,)),
)

train_cfg = dict(type='IterBasedTrainLoop', max_iters=350)
param_scheduler = dict(type='OneCycleLR', eta_max=3e-3, total_steps=350, by_epoch=False)
