# Faster R-CNN on HRNetV2p-W40, 2x: box AP 42.1 on test-dev2017 (TPAMI table XI); box AP 41.4 on val2017
# (HRNet-Object-Detection README). mmdet's own recipe: faster-rcnn_hrnetv2p-w40_2x-mmdet_coco.py.
# Command: python tools/train.py configs/detection/faster-rcnn_hrnetv2p-w40_2x_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Weights converted from HRNet-Object-Detection give its boxes. Differences that remain: an RoI narrower than a cell is
# widened to one; the released file trains 8 images at lr 0.01, half of both. No change of AP is expected beyond that
# between seeds.
# Test-dev: hrnet-mm test configs/detection/faster-rcnn_hrnetv2p-w40_2x_coco.py --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json test_evaluator.format_only=True
# test_evaluator.outfile_prefix=work_dirs/test-dev; send work_dirs/test-dev.bbox.json to the server.
_base_ = [
    '../_base_/models/faster-rcnn_hrnetv2p_official.py',
    '../_base_/datasets/coco_detection_official.py',
    '../_base_/schedules/detection_2x.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w40', pretrained=_base_.imagenet_weights.w40), neck=dict(arch='w40'))
