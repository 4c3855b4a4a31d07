# Cascade R-CNN on HRNetV2p-W32, 20e: box AP 43.7 on val2017 (TPAMI table VIII); box AP 43.7 on test-dev2017 (TPAMI
# table XI); box AP 43.7 on val2017 (HRNet-Object-Detection README).
# Command: python tools/train.py configs/detection/cascade-rcnn_hrnetv2p-w32_20e_coco.py
# The learning rate is for 16 images: 8 GPUs of 2; otherwise add --auto-scale-lr.
# Losses, stages and schedule are the official ones. Differences from HRNet-Object-Detection: boxes without + 1, aligned
# RoIs with adaptive sampling, 1000 instead of 2000 proposals in test; for a training, AP is expected to be equal or
# slightly higher. Weights converted from that repository give boxes up to a pixel off, and by mmdet's note on such
# weights an AP within 1 of theirs; cascade-rcnn_hrnetv2p-w32_official-boxes-20e_coco.py gives their boxes.
# Test-dev: hrnet-mm test configs/detection/cascade-rcnn_hrnetv2p-w32_20e_coco.py --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json test_evaluator.format_only=True
# test_evaluator.outfile_prefix=work_dirs/test-dev; send work_dirs/test-dev.bbox.json to the server.
_base_ = [
    '../_base_/models/cascade-rcnn_hrnetv2p.py',
    'mmdet::_base_/datasets/coco_detection.py',
    '../_base_/schedules/detection_20e.py',
    '../_base_/mmdet_runtime.py',
]
model = dict(backbone=dict(arch='w32', pretrained=_base_.imagenet_weights.w32), neck=dict(arch='w32'))
