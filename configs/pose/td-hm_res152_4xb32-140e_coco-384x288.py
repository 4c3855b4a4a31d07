# SimpleBaseline-ResNet-152, official recipe: AP 74.3 on val2017 (TPAMI table I); AP 73.7 on test-dev2017 (TPAMI table
# II); AP 74.3 on val2017 (pose README); AP 73.7 on test-dev2017 (pose README).
# mmpose's own recipe of this network trains 210 epochs with warm-up, half bodies and RGB.
# test-dev: `hrnet-mm test CONFIG --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_dataloader.dataset.bbox_file=data/coco/person_detection_results/COCO_test-dev2017_detections_AP_H_609_person.json
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json
# test_evaluator.format_only=True test_evaluator.outfile_prefix=work_dirs/test-dev`.
# Differences from the official code: none is known.
# Command: python tools/train.py configs/pose/td-hm_res152_4xb32-140e_coco-384x288.py
_base_ = './td-hm_res152_4xb32-140e_coco-256x192.py'
codec = dict(type='MSRAHeatmap', input_size=(288, 384), heatmap_size=(72, 96), sigma=3)
model = dict(head=dict(decoder=codec))
affine = dict(type='TopdownAffine', input_size=codec['input_size'])
pack = dict(type='PackPoseInputs')
train_pipeline = [*_base_.augmentation, affine, dict(type='GenerateTarget', encoder=codec), pack]
val_pipeline = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), affine, pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=val_pipeline))
