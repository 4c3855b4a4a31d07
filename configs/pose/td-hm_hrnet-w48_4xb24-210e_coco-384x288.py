# HRNetV1-W48, official recipe: AP 76.3 on val2017 (TPAMI table I); AP 75.5 on test-dev2017 (TPAMI table II); AP 76.3
# on val2017 (pose README); AP 75.5 on test-dev2017 (pose README).
# test-dev: `hrnet-mm test CONFIG --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_dataloader.dataset.bbox_file=data/coco/person_detection_results/COCO_test-dev2017_detections_AP_H_609_person.json
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json
# test_evaluator.format_only=True test_evaluator.outfile_prefix=work_dirs/test-dev`.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/pose/td-hm_hrnet-w48_4xb24-210e_coco-384x288.py
_base_ = '../_base_/recipes/td-hm_hrnet_coco-384x288.py'
weights = dict(type='Pretrained', checkpoint=_base_.pose_imagenet_weights.w48)
model = dict(backbone=dict(arch='w48', init_cfg=weights), head=dict(in_channels=48))
train_dataloader = dict(batch_size=24)
auto_scale_lr = dict(base_batch_size=96)
