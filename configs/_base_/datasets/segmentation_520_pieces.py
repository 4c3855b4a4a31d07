# Pieces of the official pipelines of ADE20K and COCO-Stuff. Images are first resized to a short side of 520, and then
# to a long side of 520 x scale. The official test (--tta) has windows of 520, 346 apart, and black padding. Without
# --tta, `whole_image` has one scale and no padding.
short_side = dict(type='Resize', scale=(1000000, 520), keep_ratio=True)
read = [dict(type='LoadImageFromFile'), short_side]
read_both = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', reduce_zero_label=True), short_side]
crop = [
    dict(type='Pad', size=(520, 520), pad_val=dict(img=0, seg=255)),
    dict(type='RandomCrop', crop_size=(520, 520)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
annotate = [dict(type='LoadAnnotations', reduce_zero_label=True), dict(type='PackSegInputs')]
whole_image = [*read, dict(type='Resize', scale=(520, 520), keep_ratio=True), *annotate]
official_test = dict(
    scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0), base_size=520, crop_size=(520, 520), stride=(346, 346)
)
