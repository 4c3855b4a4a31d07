"""The check of keys and types: correct ones pass, and misspelled ones are reported with the nearest name."""

import copy
import functools
import importlib.util
import time
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS, MODELS, RUNNERS, TRANSFORMS
from mmengine.runner import Runner
from torch import nn, optim

from hrnet_mm.config import sources
from hrnet_mm.config.check import check_config
from hrnet_mm.config.schemas import arguments_of
from hrnet_mm.engine import quick_reading

ROOT = Path(__file__).parents[2]
UPSTREAM = {  # where HRNet is in a library's configs, and in how many of them
    'mmdet': ('hrnet*/*hrnet*.py', 29),
    'mmpose': ('*/*/*/*hrnet*.py', 87),
    'mmpretrain': ('hrnet/*.py', 7),
    'mmseg': ('*/*hr[14]8*.py', 66),
}

OURS_DETECTION = 'detection/faster-rcnn_hrnetv2p-w32_1x_coco.py'
OURS_POSE = 'pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py'
OURS_SEGMENTATION = 'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520.py'
OURS_CLASSIFICATION = 'classification/hrnet-w18_8xb32_in1k.py'
CASCADE = 'mmdet::hrnet/cascade-mask-rcnn_hrnetv2p-w18_20e_coco.py'
FCOS = 'mmdet::hrnet/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py'
OCR = 'mmseg::ocrnet/ocrnet_hr18_4xb2-40k_cityscapes-512x1024.py'
FCN = 'mmseg::hrnet/fcn_hr18_4xb2-40k_cityscapes-512x1024.py'
UDP = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_udp-8xb64-210e_coco-256x192.py'
DEKR = 'mmpose::body_2d_keypoint/dekr/coco/dekr_hrnet-w32_8xb10-140e_coco-512x512.py'
IMAGENET = 'mmpretrain::hrnet/hrnet-w18_4xb32_in1k.py'


def upstream_folder(library):
    return Path(importlib.util.find_spec(library).origin).parent / '.mim' / 'configs'


@cache
def read_once(path):
    library, _, name = path.rpartition('::')
    with quick_reading():
        return Config.fromfile((upstream_folder(library) if library else ROOT / 'configs') / name)


@pytest.fixture
def parse(read):
    return lambda path: copy.deepcopy(read_once(path)) if '::' in path else read(path)


def step_into(config, keys):
    for key in keys:
        config = config[int(key) if key.isdigit() else key]
    return config


def put(config, path, value):
    *parents, last = path.split('.')
    step_into(config, parents)[int(last) if last.isdigit() else last] = value


def test_every_config_of_ours(path, read):
    assert check_config(read(path)) == []


@pytest.mark.parametrize('folder', ['demo', 'learn'])
def test_every_short_training(folder):
    for path in sorted((ROOT / 'configs' / folder).glob('*.py')):
        assert check_config(read_once(f'{folder}/{path.name}')) == [], path


@pytest.mark.slow
@pytest.mark.parametrize('library', UPSTREAM)
def test_every_upstream_config(library):
    pattern, count = UPSTREAM[library]
    folder = upstream_folder(library)
    paths = [str(path.relative_to(folder)) for path in sorted(folder.glob(pattern)) if '_base_' not in path.parts]
    configs = {path: read_once(f'{library}::{path}') for path in paths}
    of_hrnet = {path: config for path, config in configs.items() if "'HRNet'" in str(config.model)}
    assert len(of_hrnet) == count
    assert {path: problems for path, config in of_hrnet.items() if (problems := check_config(config))} == {}


@pytest.mark.parametrize('name', [CASCADE, DEKR, OCR, IMAGENET])
def test_quick_enough(name, parse):
    config = parse(name)
    check_config(config)  # imports the library
    for remembered in (arguments_of, sources.functions_of, sources._body, sources._definitions):
        remembered.cache_clear()
    start = time.process_time()
    check_config(config)
    assert time.process_time() - start < 2


MISSPELT = [
    # The config, the place of the misspelt key, and the right one.
    (OURS_DETECTION, 'optim_wraper', 'optim_wrapper'),
    (OURS_POSE, 'defualt_hooks', 'default_hooks'),
    (CASCADE, 'model.back_bone', 'backbone'),
    (OURS_DETECTION, 'model.backbone.archi', 'arch'),
    (CASCADE, 'model.backbone.extra.stage2.num_chanels', 'num_channels'),
    (UDP, 'model.backbone.extra.stage4.multiscale_ouput', 'multiscale_output'),
    (OCR, 'model.backbone.extra.stage1.num_block', 'num_blocks'),
    (OCR, 'model.backbone.norm_evl', 'norm_eval'),
    (OCR, 'model.backbone.norm_cfg.require_grad', 'requires_grad'),
    (IMAGENET, 'model.backbone.arc', 'arch'),
    (UDP, 'model.backbone.init_cfg.checkpont', 'checkpoint'),
    (CASCADE, 'model.neck.out_chanels', 'out_channels'),
    (CASCADE, 'model.rpn_head.anchor_generator.ratio', 'ratios'),
    (CASCADE, 'model.rpn_head.bbox_coder.target_mean', 'target_means'),
    (CASCADE, 'model.roi_head.bbox_roi_extractor.roi_layer.sampling_ration', 'sampling_ratio'),
    (CASCADE, 'model.roi_head.bbox_head.1.loss_cls.use_sigmiod', 'use_sigmoid'),
    (FCOS, 'model.bbox_head.loss_bbox.loss_wieght', 'loss_weight'),
    (FCN, 'model.decode_head.norm_cfg.momentun', 'momentum'),
    (CASCADE, 'model.train_cfg.rpn_proposal.nms_prae', 'nms_pre'),
    (CASCADE, 'model.train_cfg.rcnn.2.assigner.pos_iou_th', 'pos_iou_thr'),
    (CASCADE, 'model.train_cfg.rcnn.0.sampler.neg_pos_up', 'neg_pos_ub'),
    (CASCADE, 'model.test_cfg.rcnn.scor_thr', 'score_thr'),
    (CASCADE, 'model.test_cfg.rcnn.nms.iou_treshold', 'iou_threshold'),
    (FCOS, 'model.test_cfg.max_per_image', 'max_per_img'),
    (OCR, 'model.decode_head.1.ocr_chanels', 'ocr_channels'),
    (OURS_SEGMENTATION, 'model.test_cfg.strid', 'stride'),
    (UDP, 'model.test_cfg.flip_tset', 'flip_test'),
    (UDP, 'model.head.decoder.heatmap_sise', 'heatmap_size'),
    (DEKR, 'model.head.heatmap_loss.use_target_wieght', 'use_target_weight'),
    (DEKR, 'model.head.rescore_cfg.norm_indices', 'norm_indexes'),
    (IMAGENET, 'model.head.top_k', 'topk'),
    (IMAGENET, 'data_preprocessor.to_rbg', 'to_rgb'),
    (OURS_DETECTION, 'train_dataloader.batchsize', 'batch_size'),
    (OURS_DETECTION, 'train_dataloader.sampler.shufle', 'shuffle'),
    (OURS_DETECTION, 'train_dataloader.dataset.filter_cfg.filter_emtpy_gt', 'filter_empty_gt'),
    (OCR, 'train_dataloader.dataset.data_prefix.seg_map_pth', 'seg_map_path'),
    (UDP, 'train_dataloader.dataset.ann_fil', 'ann_file'),
    (UDP, 'train_dataloader.dataset.pipeline.4.rotate_faktor', 'rotate_factor'),
    (UDP, 'train_dataloader.dataset.pipeline.6.encoder.sigmas', 'sigma'),
    (IMAGENET, 'val_dataloader.dataset.pipeline.1.egde', 'edge'),
    (OURS_DETECTION, 'train_cfg.max_epoch', 'max_epochs'),
    (OCR, 'optim_wrapper.optimizer.wieght_decay', 'weight_decay'),
    (OURS_SEGMENTATION, 'optim_wrapper.paramwise_cfg.bias_lr_mul', 'bias_lr_mult'),
    (OURS_SEGMENTATION, 'optim_wrapper.paramwise_cfg.custom_keys.decode_head.lr_mul', 'lr_mult'),
    (OURS_DETECTION, 'optim_wrapper.clip_gard', 'clip_grad'),
    (OURS_DETECTION, 'optim_wrapper.clip_grad.max_norms', 'max_norm'),
    (OURS_DETECTION, 'param_scheduler.0.start_faktor', 'start_factor'),
    (OURS_POSE, 'default_hooks.checkpoint.intervall', 'interval'),
    (OURS_POSE, 'default_hooks.chekpoint', 'checkpoint'),
    (UDP, 'val_evaluator.ann_flie', 'ann_file'),
    (OCR, 'val_evaluator.iou_metric', 'iou_metrics'),
    (UDP, 'visualizer.vis_backend', 'vis_backends'),
    (OURS_DETECTION, 'env_cfg.cudnn_bencmark', 'cudnn_benchmark'),
    (OURS_DETECTION, 'env_cfg.mp_cfg.opencv_num_thread', 'opencv_num_threads'),
    (OURS_DETECTION, 'env_cfg.dist_cfg.backnd', 'backend'),
    (OURS_DETECTION, 'log_processor.windw_size', 'window_size'),
    (OURS_DETECTION, 'auto_scale_lr.base_batchsize', 'base_batch_size'),
    (IMAGENET, 'randomness.determinstic', 'deterministic'),
    (OURS_SEGMENTATION, 'tta_model.data_preprocesor', 'data_preprocessor'),
]


@pytest.mark.parametrize(('name', 'place', 'right'), MISSPELT)
def test_misspelt_key(name, place, right, parse):
    config = parse(name)
    *parents, wrong = place.split('.')
    holder = step_into(config, parents)
    holder[wrong] = holder.pop(right, 1)
    where = ''.join(f'[{key}]' if key.isdigit() else f'.{key}' for key in parents).lstrip('.')
    sentence = f'{where}.{wrong}: no such key' if parents else f'{wrong}: no such setting'
    assert check_config(config) == [f'{sentence}; did you mean {right!r}?']


@pytest.mark.parametrize(
    ('name', 'place', 'wrong', 'right'),
    [
        (OURS_DETECTION, 'model.neck', 'HRFPM', 'HRFPN'),
        (CASCADE, 'model.test_cfg.rcnn.nms', 'soft_nmss', 'soft_nms'),
        (OCR, 'model.backbone.norm_cfg', 'SyncBNN', 'SyncBN'),
        (UDP, 'train_dataloader.dataset.pipeline.2', 'RandomFlipp', 'RandomFlip'),
        (UDP, 'model.head.decoder', 'UDPHeatmapp', 'UDPHeatmap'),
        (UDP, 'optim_wrapper.optimizer', 'Adan', 'Adam'),
        (IMAGENET, 'val_evaluator', 'Acuracy', 'Accuracy'),
        (UDP, 'visualizer.vis_backends.0', 'LocalVisBackends', 'LocalVisBackend'),
        (OURS_POSE, 'custom_hooks.0', 'SyncBufferHook', 'SyncBuffersHook'),
    ],
)
def test_misspelt_type(name, place, wrong, right, parse):
    config = parse(name)
    put(config, f'{place}.type', wrong)
    (problem,) = check_config(config)
    assert problem.endswith(f'unknown type {wrong!r}; did you mean {right!r}?')


@pytest.mark.parametrize(
    ('place', 'value', 'sentence'),
    [
        ('runner_type', 'hrnet_mm.ReliabelRunner', "did you mean 'hrnet_mm.ReliableRunner'?"),
        ('train_cfg', dict(by_epoch=True, max_iters=9), "train_cfg.max_iters: no such key; did you mean 'max_epochs'?"),
        ('train_dataloader.dataset.type', 'mmdte.CocoDataset', "did you mean 'mmdet.CocoDataset'?"),
        ('train_dataloader.dataset._scope_', 'mmdett', "unknown library 'mmdett'; did you mean 'mmdet'?"),
        ('model.neck', dict(typ='HRFPN', arch='w32'), "model.neck.typ: no such key; did you mean 'type'?"),
        ('custom_hooks', [dict(type='CocoMetric')], "custom_hooks[0]: unknown type 'CocoMetric'"),
        ('custom_hooks', [dict(type='EMAHook', momentm=1)], "did you mean 'momentum'?"),
        ('custom_hooks', [dict(type='EMAHook', ema_type='ExpMomentumEMA', gama=1)], "did you mean 'gamma'?"),
        ('default_hooks.finite', dict(type='hrnet_mm.StopOnNonFiniteHok'), "mean 'hrnet_mm.StopOnNonFiniteHook'?"),
        ('log_processor', dict(by_epoc=False), "log_processor.by_epoc: no such key; did you mean 'by_epoch'?"),
        ('optim_wrapper.optimizer.type', 'SDG', "did you mean 'SGD'?"),
        ('test_evaluator.metrics', 'bbox', "test_evaluator.metrics: no such key; did you mean 'metric'?"),
    ],
)
def test_mistake(place, value, sentence, parse):
    config = parse(OURS_DETECTION)
    put(config, place, value)
    (problem,) = check_config(config)
    assert problem.endswith(sentence)


@HOOKS.register_module(force=True)
class UserHook(Hook):
    """A hook that stores its arguments."""

    def __init__(self, message, **options):
        self.options = options


@MODELS.register_module(force=True)
class UserNeck(nn.Module):
    """Hands on to PyTorch, and builds a part of its own."""

    def __init__(self, shape, loss=None, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(**kwargs)
        self.shape = shape
        if loss is not None:
            self.loss = MODELS.build(loss)


@DATASETS.register_module(force=True)
class UserDataset(BaseDataset):
    """Takes a setting that is not in mmengine's, and hands on the others."""

    def __init__(self, subset=None, **kwargs):
        self.subset = subset
        super().__init__(**kwargs)


@TRANSFORMS.register_module(force=True)
class UserTransform:
    """Reads a nested dict."""

    def __init__(self, settings):
        self.low, self.high = settings['range']
        self.mode = settings.get('mode', 'add')


def make_hook(first, second, third=3):
    raise NotImplementedError


LEGAL = [
    (OURS_DETECTION, 'optim_wrapper.optimizer', dict(type='AdamW', lr=1e-4, betas=(0.9, 0.95), eps=1e-6, foreach=True)),
    (OURS_DETECTION, 'optim_wrapper.optimizer', dict(type='SGD', lr=1e-2, momentum=0.9, nesterov=True, dampening=0)),
    (OURS_DETECTION, 'optim_wrapper.optimizer', dict(type=optim.Adam, lr=1e-4, amsgrad=True)),
    (OURS_DETECTION, 'optim_wrapper.clip_grad', dict(type='value', clip_value=0.1)),
    (OURS_DETECTION, 'optim_wrapper.clip_grad', dict(max_norm=1, error_if_nonfinite=True)),
    (
        OURS_DETECTION,
        'optim_wrapper',
        dict(
            type='AmpOptimWrapper',
            optimizer=dict(type='SGD', lr=0.1),
            loss_scale=dict(init_scale=512.0, growth_interval=100),
            accumulative_counts=2,
            dtype='bfloat16',
        ),
    ),
    (
        OURS_DETECTION,
        'optim_wrapper.paramwise_cfg',
        dict(
            norm_decay_mult=0.0,
            bypass_duplicate=True,
            custom_keys={'backbone.stage4': dict(lr_mult=0.1), '.anything': dict(decay_mult=0, momentum=0.8)},
        ),
    ),
    (
        OURS_DETECTION,
        'param_scheduler',
        dict(type='CosineAnnealingLR', T_max=12, eta_min_ratio=0.1, convert_to_iter_based=True, verbose=True),
    ),
    (OURS_DETECTION, 'train_dataloader.prefetch_factor', 4),
    (OURS_DETECTION, 'train_dataloader.collate_fn', dict(type='pseudo_collate')),
    (OURS_DETECTION, 'train_dataloader.worker_init_fn', dict(type=make_hook, third=1)),
    (OURS_DETECTION, 'train_dataloader.num_batch_per_epoch', 100),
    (OURS_DETECTION, 'train_dataloader.sampler', dict(type='InfiniteSampler', shuffle=True)),
    (
        OURS_DETECTION,
        'train_dataloader.dataset',
        dict(
            type='RepeatDataset',
            times=3,
            dataset=dict(
                type='mmdet.CocoDataset',
                metainfo=dict(classes=('cell',), palette=[(1, 2, 3)], anything=dict(type='upper', wings=2)),
                data_prefix=dict(img='a/', depth='b/'),
                filter_cfg=dict(occluded=True),
                indices=10,
                lazy_init=True,
                backend_args=dict(backend='petrel', path_mapping={'data/': 's3://bucket/'}),
                pipeline=[],
            ),
        ),
    ),
    (
        OURS_DETECTION,
        'train_dataloader.dataset.pipeline.3',
        dict(
            type='Albu',
            transforms=[dict(type='OneOf', transforms=[dict(type='Blur', blur_limit=3, p=1.0)], p=0.1)],
            bbox_params=dict(type='BboxParams', format='pascal_voc', label_fields=['gt_ignore_flags']),
            keymap={'img': 'image', 'gt_bboxes': 'bboxes'},
        ),
    ),
    (
        OURS_DETECTION,
        'train_dataloader.dataset.pipeline.3',
        dict(type='RandomChoice', transforms=[[dict(type='RandomFlip', prob=0.5)], []], prob=[0.5, 0.5]),
    ),
    (OURS_DETECTION, 'train_dataloader.dataset.pipeline.3', dict(type=UserTransform, settings=dict(range=(0, 1)))),
    (OURS_DETECTION, 'train_dataloader.dataset', dict(type='UserDataset', subset='a', serialize_data=False)),
    (
        OURS_DETECTION,
        'model.neck',
        dict(type='UserNeck', shape=dict(type='circle'), in_channels=8, padding_mode='zeros'),
    ),
    (OURS_DETECTION, 'model.rpn_head.loss_cls', dict(type='torch.nn.SmoothL1Loss', beta=0.1)),
    (
        OURS_DETECTION,
        'model.test_cfg.rcnn.nms',
        dict(type='nms', iou_threshold=0.5, class_agnostic=True, split_thr=100),
    ),
    (OURS_DETECTION, 'model.test_cfg.rcnn.nms', dict(type='soft_nms', sigma=0.4, min_score=0.1, method='linear')),
    (OURS_DETECTION, 'model.test_cfg._scope_', 'mmdet'),
    (CASCADE, 'model.roi_head.bbox_roi_extractor.roi_layer', dict(type='RoIAlign', out_size=7, sample_num=0)),
    (FCOS, 'model.bbox_head.conv_cfg', dict(type='DCNv2', deform_groups=2)),
    (FCOS, 'model.bbox_head.norm_cfg', dict(type='GN', num_groups=8, requires_grad=False, eps=1e-3)),
    (
        FCOS,
        'model.bbox_head.init_cfg',
        [dict(type='Normal', layer='Conv2d', std=0.01, override=dict(type='Normal', name='conv_cls', bias_prob=0.01))],
    ),
    (OCR, 'model.decode_head.0.act_cfg', dict(type='LeakyReLU', negative_slope=0.1)),
    (
        OCR,
        'model.decode_head.0.loss_decode',
        dict(type='CrossEntropyLoss', class_weight=[1.0] * 19, avg_non_ignore=True),
    ),
    (OCR, 'model.decode_head.0.sampler', dict(type='OHEMPixelSampler', thresh=0.7, min_kept=100)),
    (OCR, 'tta_model', dict(type='SegTTAModel')),
    (
        UDP,
        'model.backbone.init_cfg',
        dict(type='Pretrained', checkpoint='a.pth', prefix='backbone.', map_location='cpu'),
    ),
    (
        UDP,
        'model.test_cfg',
        dict(flip_test=True, flip_mode='heatmap', output_heatmaps=True, output_keypoint_indices=[0]),
    ),
    (UDP, 'train_dataloader.dataset.pipeline.6.encoder', [dict(type='MSRAHeatmap', input_size=(8, 8), unbiased=True)]),
    (
        UDP,
        'val_evaluator',
        dict(type='Evaluator', metrics=[dict(type='PCKAccuracy', thr=0.1, norm_item='bbox', collect_device='gpu')]),
    ),
    (IMAGENET, 'model.train_cfg', dict(augments=[dict(type='Mixup', alpha=0.8)], probs=[0.5])),
    (
        IMAGENET,
        'model.backbone',
        dict(type='TIMMBackbone', model_name='hrnet_w18', features_only=True, out_indices=(1, 2), drop_path_rate=0.1),
    ),
    (
        IMAGENET,
        'train_dataloader.dataset.pipeline.1',
        dict(
            type='RandAugment',
            policies=[dict(type='Posterize', magnitude_range=(4, 0))],
            num_policies=1,
            magnitude_level=5,
            hparams=dict(pad_val=[1, 2, 3], interpolation='bicubic'),
        ),
    ),
    (OURS_POSE, 'custom_hooks', [dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=1e-4, gamma=2000)]),
    (OURS_POSE, 'custom_hooks', [dict(type='EMAHook', momentum=1e-4, update_buffers=True, priority=49)]),
    (OURS_POSE, 'custom_hooks', [dict(type='UserHook', message='a', anything=1, priority='LOW')]),
    (OURS_POSE, 'custom_hooks', [dict(type=functools.partial(make_hook, 1, third=4), second=2)]),
    (OURS_POSE, 'custom_hooks', [dict(type='mmengine.hooks.IterTimerHook')]),
    (OURS_POSE, 'default_hooks.mine', dict(type=UserHook, message='a')),
    (OURS_POSE, 'default_hooks.memory', None),
    (OURS_POSE, 'default_hooks.checkpoint', dict(type='CheckpointHook', published_keys=['meta'], save_begin=3)),
    (
        OURS_POSE,
        'visualizer.vis_backends',
        [dict(type='WandbVisBackend', init_kwargs=dict(project='a', entity='b', mode='offline'), commit=False)],
    ),
    (
        OURS_POSE,
        'log_processor.custom_cfg',
        [dict(data_src='loss', method_name='mean', window_size=100, log_name='long')],
    ),
    (OURS_POSE, 'env_cfg', dict(resource_limit=65536, dist_cfg=dict(backend='gloo', timeout=1800))),
    (OURS_POSE, 'randomness', dict(seed=0, diff_rank_seed=True, deterministic=True)),
    (OURS_POSE, 'model_wrapper_cfg', dict(type='MMDistributedDataParallel', find_unused_parameters=True)),
    (OURS_POSE, 'compile', dict(backend='inductor', mode='default')),
    (OURS_POSE, 'train_cfg', dict(type='EpochBasedTrainLoop', max_epochs=2, dynamic_intervals=[(1, 1)])),
    (OURS_POSE, 'number_of_mice', 3),
]


@pytest.mark.parametrize(('name', 'place', 'value'), LEGAL)
def test_legal_but_unusual(name, place, value, parse):
    config = parse(name)
    put(config, place, value)
    assert check_config(config) == []


def test_classes_as_types(parse):
    config = parse(CASCADE)
    config.model.neck.type = MODELS.get('mmdet.HRFPN')
    config.train_dataloader.dataset.type = DATASETS.get('mmdet.CocoDataset')
    assert check_config(config) == []
    config.model.neck.out_chanels = 1
    assert check_config(config) == ["model.neck.out_chanels: no such key; did you mean 'out_channels'?"]


@RUNNERS.register_module(force=True)
class UserRunner(Runner):
    """Trains in a way of its own, and so reads no `auto_scale_lr`."""

    def train(self):
        return self.model


def test_a_runner_that_trains_in_its_own_way(parse):
    config = parse(OURS_DETECTION)
    config.runner_type = 'UserRunner'
    assert 'base_batch_size' in config.auto_scale_lr
    assert check_config(config) == []
    config.optim_wraper = config.optim_wrapper
    assert check_config(config) == ["optim_wraper: no such setting; did you mean 'optim_wrapper'?"]


def test_classes_that_a_new_style_config_imports(parse):
    config = parse(OURS_DETECTION)
    config.DataPreprocessor = MODELS.get('mmdet.DetDataPreprocessor')  # near to a setting's name
    assert check_config(config) == []


def test_left_over_delete(tmp_path):
    (tmp_path / 'base.py').write_text("model = dict(type='mmengine.model.BaseModule', init_cfg=dict(type='Normal'))")
    (tmp_path / 'config.py').write_text(
        "_base_ = 'base.py'\nmodel = dict(init_cfg=dict(_delete_=True, type='Constant', val=0))\n"
        "visualizer = dict(_delete_=True, type='Visualizer')"
    )
    config = Config.fromfile(tmp_path / 'config.py')
    assert check_config(config) == ['visualizer._delete_: no base config has a dict here to replace; remove the key']


def test_unknown_default_scope():
    config = Config(dict(default_scope='mmdett'))
    assert check_config(config) == ["default_scope: unknown library 'mmdett'; did you mean 'mmdet'?"]
