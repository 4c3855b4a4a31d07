# Instance segmentation and boxes: Mask R-CNN on HRNetV2p, 6,958 nuclei in 240 -> 2,209 in 60 microscopy images of many
# kinds (docs/learn.md). Crops of 128 pixels are enlarged to 256, and test images by the same factor, because half of
# the nuclei are narrower than 15 pixels.
# Command: python tools/research/learn.py instances, or
# python tools/train.py configs/learn/mask-rcnn_hrnetv2p_dsb2018.py
_base_ = '../demo/mask-rcnn_hrnetv2p_nuclei.py'
model = dict(
    data_preprocessor=dict(mean=[44.0] * 3, std=[69.0] * 3),  # of the training part
    rpn_head=dict(anchor_generator=dict(scales=[3])),
)
dataset = dict(data_root='{{$HRNET_MM_DATA:data/learn}}/nuclei_dsb2018')
train_dataloader = dict(dataset=dict(**dataset))
test_dataloader = dict(dataset=dict(**dataset, ann_file='val.json'))
test_evaluator = dict(ann_file='{{$HRNET_MM_DATA:data/learn}}/nuclei_dsb2018/val.json')
train_cfg = dict(max_iters=180)
param_scheduler = dict(total_steps=180)
