# Pieces of the training pipelines for COCO. A pipeline loads (boxes alone, with masks, or with masks and stuff maps),
# makes the boxes inclusive if the model has official boxes, resizes, and packs.
image = dict(type='LoadImageFromFile', backend_args=None)
load = [image, dict(type='LoadAnnotations', with_bbox=True)]
load_masks = [image, dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]
load_stuff = [image, dict(type='LoadAnnotations', with_bbox=True, with_mask=True, with_seg=True)]
inclusive = dict(type='ToInclusiveBoxes')
resize = dict(type='Resize', scale=(1333, 800), keep_ratio=True)
pack = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
