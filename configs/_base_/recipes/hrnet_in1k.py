# ImageNet classification: SGD at 0.1 for 256 images, 100 epochs, a tenth of the rate after epochs 30, 60 and 90.
_base_ = [
    'mmpretrain::_base_/datasets/imagenet_bs32_pil_resize.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    'mmpretrain::_base_/default_runtime.py',
    '../reliable_runtime.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain'], allow_failed_imports=False)
optim_wrapper = dict(optimizer=dict(nesterov=True))
model = dict(
    type='ImageClassifier',
    head=dict(
        type='LinearClsHead',
        in_channels=2048,
        num_classes=1000,
        loss=dict(type='CrossEntropyLoss'),
        topk=(1, 5),
    ),
)
