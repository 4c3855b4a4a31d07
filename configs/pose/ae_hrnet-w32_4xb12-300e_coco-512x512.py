# Associative embedding on HRNetV1-W32, 512x512: AP 64.1 on test-dev2017 (HigherHRNet-Human-Pose-Estimation README).
# Its recipe was not released. Assumed is HigherHRNet's, with one resolution.
# test-dev: `hrnet-mm test CONFIG --weights FILE --cfg-options
# test_dataloader.dataset.ann_file=annotations/image_info_test-dev2017.json
# test_dataloader.dataset.data_prefix.img=test2017/
# test_evaluator.ann_file=data/coco/annotations/image_info_test-dev2017.json
# test_evaluator.format_only=True test_evaluator.outfile_prefix=work_dirs/test-dev`.
# Differences from the official code: those of higherhrnet_hrnet-w32_4xb12-300e_coco-512x512.py.
# Command: python tools/train.py configs/pose/ae_hrnet-w32_4xb12-300e_coco-512x512.py
_base_ = './higherhrnet_hrnet-w32_4xb12-300e_coco-512x512.py'
encoding = dict(_base_.encoding, heatmap_sizes=[(128, 128)])
model = dict(head=dict(deconv_out_channels=[], decoder=encoding))
train_pipeline = [*_base_.load, dict(type='GenerateTarget', encoder=encoding), *_base_.pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
