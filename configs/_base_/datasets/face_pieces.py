# The augmentation of the official protocol for faces. Targets and packing follow it in the training pipeline.
augmentation = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='OfficialBBoxTransform', distribution='uniform', scale_factor=0.25, rotate_factor=30),
    dict(type='SkipNonPositiveY'),
    dict(type='TopdownAffine', input_size=(256, 256)),
]
