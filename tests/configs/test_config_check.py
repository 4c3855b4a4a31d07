"""The check of keys and types: what is right passes, what is misspelt is found with the nearest name."""

import copy
import functools
import importlib.util
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS, MODELS, TRANSFORMS
from mmengine.runner import Runner
from torch import nn, optim

from hrnet_mm.config_check import check_config, quick_reading

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
    step_into(config, parents)[last] = value


def test_every_config_of_ours(path, read):
    assert check_config(read(path)) == []


@pytest.mark.parametrize('folder', ['demo', 'learn'])
def test_every_short_training(folder):
    for path in sorted((ROOT / 'configs' / folder).glob('*.py')):
        assert check_config(read_once(f'{folder}/{path.name}')) == [], path


@pytest.mark.parametrize('library', UPSTREAM)
def test_every_upstream_config(library):
    pattern, count = UPSTREAM[library]
    folder = upstream_folder(library)
    paths = [str(path.relative_to(folder)) for path in sorted(folder.glob(pattern)) if '_base_' not in path.parts]
    configs = {path: read_once(f'{library}::{path}') for path in paths}
    of_hrnet = {path: config for path, config in configs.items() if "'HRNet'" in str(config.model)}
    assert len(of_hrnet) == count
    assert {path: problems for path, config in of_hrnet.items() if (problems := check_config(config))} == {}


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
    assert problem.endswith(f'nothing is called {wrong!r}; did you mean {right!r}?')
