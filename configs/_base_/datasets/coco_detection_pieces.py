# Pieces of the training pipelines for COCO boxes: `load` comes before the resizing, `pack` after it.
load = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='LoadAnnotations', with_bbox=True),
]
pack = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
