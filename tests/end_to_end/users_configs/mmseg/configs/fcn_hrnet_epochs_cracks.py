"""A chain of custom bases, a custom data set class and a custom hook, epochs, and early stopping."""

_base_ = [
    './_base_/models/fcn_hrnet.py',
    './_base_/datasets/cracks.py',
    './_base_/default_runtime.py',
    './_base_/schedules/epochs.py',
]
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg', 'cracks.datasets', 'cracks.hooks'], allow_failed_imports=False)
crop_size = (64, 64)
data_preprocessor = dict(size=crop_size)
model = dict(data_preprocessor=data_preprocessor, decode_head=dict(num_classes=3))
custom_hooks = [
    dict(type='EarlyStoppingHook', monitor='mIoU', rule='greater', min_delta=100, patience=1),
    dict(type='CountingHook', interval=2, priority='LOW'),
]
