# Pieces of the official bottom-up pipelines. The affine transform or resize of a size stands between them.
flip = dict(type='RandomFlip', direction='horizontal')
pack = [dict(type='BottomupGetHeatmapMask'), dict(type='PackPoseInputs')]
image_keys = ('id', 'img_id', 'img_path', 'crowd_index', 'ori_shape', 'img_shape')
input_keys = ('input_size', 'input_center', 'input_scale', 'flip', 'flip_direction', 'flip_indices')
pack_test = dict(type='PackPoseInputs', meta_keys=(*image_keys, *input_keys, 'raw_ann_info', 'skeleton_links'))
