# The augmentation and the test of the official protocol for faces. Targets and packing follow the augmentation.
augmentation = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='OfficialBBoxTransform', distribution='uniform', scale_factor=0.25, rotate_factor=30),
    dict(type='SkipNonPositiveY'),
    dict(type='FaceCrop', input_size=(256, 256)),
]
test = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='FaceCrop', input_size=(256, 256)),
    dict(type='PackPoseInputs'),
]
