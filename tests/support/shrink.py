"""Options with which any HRNet config, this package's or a library's own, trains in a second: a tiny architecture."""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from pprint import pformat
from typing import Any

import numpy as np
from mmengine.config import DictAction
from mmengine.runner import Runner

from hrnet_mm.config.check import _OF_TESTS, _READ_FROM_CONFIG
from hrnet_mm.engine.settings import apply_settings

ARCH, WIDTHS = 'test-w4', (4, 8, 16, 32)
SCALES = {'mmdet': 8, 'mmseg': 8, 'mmpretrain': 4, 'bottom-up': 4, 'top-down': 2}  # 1333x800 becomes 166x100


def shrinking_options(config: Any) -> list[str]:
    """Return `--cfg-options` for a tiny network, the matching channels of heads, and smaller images."""
    small = copy.deepcopy(config)
    model = small.model
    _backbone(model.backbone)
    if 'pretrained' in model:
        model.pretrained = None
    if config.get('load_from'):
        small.load_from = None
    _CHANNELS[config.default_scope](model)
    loaders = [small.get('train_dataloader'), small.get('val_dataloader'), small.get('test_dataloader')]
    if config.default_scope == 'mmpose':
        is_bottom_up = config.train_dataloader.dataset.get('data_mode') == 'bottomup'
        is_strided = model.backbone.type == 'ResNet'  # by 32, which half of 288 is no multiple of
        for part in _dicts([] if is_strided else [*loaders, model, small.get('tta_pipeline')]):
            for key in part.keys() & {'input_size', 'heatmap_size', 'heatmap_sizes'}:
                part[key] = _divided(part[key], SCALES['bottom-up' if is_bottom_up else 'top-down'])
    else:
        for part in _dicts([*loaders, model.get('data_preprocessor'), model.get('test_cfg')]):
            for key in part.keys() & {'scale', 'scales', 'crop_size', 'size', 'stride'}:
                part[key] = _divided(part[key], SCALES[config.default_scope], at_least=200)
    for part in _dicts(model):
        if part.get('type') == 'SyncBN':  # computes what BN does, but on a GPU alone
            part['type'] = 'BN'
    return list(_difference('', config._cfg_dict, small._cfg_dict))


def round_options(config: Any, rounds: int) -> list[str]:
    """Return settings that end a training after so many rounds of an epoch, or two iterations, and a validation."""
    loop = config.train_cfg
    if loop.get('by_epoch', 'Epoch' in str(loop.get('type'))):
        end = {'max_epochs': rounds, 'val_begin': 1, 'val_interval': 1}
    else:
        end = {'max_iters': 2 * rounds, 'val_interval': 2}
    if 'dynamic_intervals' in loop:
        end['dynamic_intervals'] = None
    return [f'train_cfg.{name}={value}' for name, value in end.items()]


def loader_options(config: Any) -> list[str]:
    """Batches of two, no worker processes, and every iteration in the log; the learning rate is stated to be kept."""
    options = ['train_dataloader.batch_size=2', 'default_hooks.logger.interval=1']
    if 'lr' in config.optim_wrapper.get('optimizer', {}):
        options.append(f'optim_wrapper.optimizer.lr={config.optim_wrapper.optimizer.lr}')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if config.get(loader) is not None:
            options += [f'{loader}.num_workers=0', f'{loader}.persistent_workers=False']
    return options


def with_options(config: Any, options: Iterable[str]) -> Any:
    """The config as the commands see it, with these `--cfg-options`."""
    changed = copy.deepcopy(config)
    settings = (option.partition('=') for option in options)
    apply_settings(changed, {key: DictAction._parse_iterable(value) for key, _, value in settings})
    return changed


_READ = {*inspect.signature(Runner).parameters, *_READ_FROM_CONFIG, *_OF_TESTS}
_READ |= {'custom_imports', 'find_unused_parameters', 'runner_type'}
"""The names in a config that a run reads; the others serve the config itself."""


def settings_of_short_runs(config: Any, options: Iterable[str]) -> str:
    """Return, as text, all that runs of two rounds with these `--cfg-options` depend on but some numbers.

    These are how far a step goes and how a schedule continues after the runs.
    """
    small = with_options(config, options)
    for scheduler in _dicts(small.get('param_scheduler')):
        _hide_later(scheduler, 2 if scheduler.get('by_epoch', True) else 100, 'end', 'milestones')
    for part in _dicts([small.get('default_hooks'), small.get('train_cfg')]):
        _hide_later(part, 100, 'interval', 'val_interval')
    for part in _dicts([small.optim_wrapper, small.get('auto_scale_lr')]):
        for key in part.keys() & {'lr', 'base_batch_size'}:
            part[key] = type(part[key]).__name__
    for part in _dicts(small.model):
        for key in [key for key in ('init_cfg', 'pretrained') if key in part and part[key] is None]:
            del part[key]  # their default
    for loader in (small.get('val_dataloader'), small.get('test_dataloader')):
        if loader is not None:
            loader.batch_size = min(loader.batch_size, 8)  # the made data are four images of two objects
    return pformat({key: small[key] for key in small.keys() & _READ})  # with sorted keys


def _hide_later(part: Any, last: int, *keys: str) -> None:
    """Replace what comes after the last epoch or iteration of a short run."""
    for key in part.keys() & {*keys}:
        if np.min(part[key]) > last:
            part[key] = 'later'


def _backbone(backbone: Any) -> None:
    if backbone.type == 'ComparisonResNet':
        backbone.depth = 38
        return
    for name in ('init_cfg', 'pretrained'):
        if name in backbone:
            backbone[name] = None
    if backbone.type == 'ResNet':
        backbone.depth = 18
        return
    if 'extra' in backbone and 'stage1' in backbone.extra:
        for i in range(1, 5):
            stage = backbone.extra[f'stage{i}']
            stage.update(num_modules=1, num_blocks=(1,) * i, num_channels=WIDTHS[:i] if i > 1 else (16,))
    else:
        backbone.arch = ARCH
    backbone.norm_eval = False  # there are no statistics yet


def _pose_channels(model: Any) -> None:
    neck, head = model.get('neck'), model.head
    concat = bool(neck) and neck.get('concat', False)
    channels = sum(WIDTHS) if concat else WIDTHS[(neck or {}).get('select_index', 0)]
    head.in_channels = 512 if model.backbone.type == 'ResNet' else channels
    if 'conv_out_channels' in head:
        head.conv_out_channels = (channels,)
    if head.type == 'HigherHRHead':
        head.deconv_out_channels = [WIDTHS[0]] * len(head.deconv_out_channels)
    if head.type in ('DEKRHead', 'OfficialDEKRHead'):
        head.num_heatmap_filters, head.num_displacement_filters_per_keypoint = 8, 3
    if head.type == 'CIDHead':
        head.gfd_channels = 8
    if 'rescore_cfg' in head:
        head.rescore_cfg.init_cfg = None


def _segmentation_channels(model: Any) -> None:
    heads = model.decode_head if isinstance(model.decode_head, list) else [model.decode_head]
    for head in heads:
        head.in_channels = list(WIDTHS) if isinstance(head.in_channels, list) else WIDTHS[head.in_index]
        head.channels = 16 if head.type == 'OCRHead' else sum(WIDTHS) if head.get('num_convs', 1) else head.in_channels
        if head.type == 'OCRHead':
            head.ocr_channels = 8


def _classification_channels(model: Any) -> None:
    necks = model.neck if isinstance(model.neck, list) else [model.neck]
    for neck in necks:
        if neck.type == 'HRFuseScales':
            neck.update({'in_channels': WIDTHS} if 'in_channels' in neck else {'arch': ARCH})
    if model.backbone.type == 'hrnet_mm.HRNetV2':
        model.head.in_channels = sum(WIDTHS)


_FEW_BOXES = {'nms_pre': 50, 'max_per_img': 20, 'score_thr': 0.0}
"""Few boxes, for speed; and any score will do, so that an untrained network detects something."""


def _detection_channels(model: Any) -> None:
    wide = (256, 1024, model.neck.get('out_channels'))
    model.neck.out_channels = 8
    if 'in_channels' in model.neck:
        model.neck.in_channels = list(WIDTHS[: len(model.neck.in_channels)])
    else:
        model.neck.arch = ARCH
    narrow = {'in_channels': 8, 'feat_channels': 8, 'out_channels': 8, 'conv_out_channels': 8, 'fc_out_channels': 16}
    for name in ('rpn_head', 'roi_head', 'bbox_head'):
        for part in _dicts(model.get(name)):
            part.update({key: value for key, value in narrow.items() if key in part and part[key] in wide})
    for part in _dicts([model.get('train_cfg'), model.get('test_cfg')]):
        part.update({key: value for key, value in _FEW_BOXES.items() if key in part})
    if model.get('bbox_head', {}).get('loss_cls'):
        model.bbox_head.norm_cfg = {'type': 'GN', 'num_groups': 4}


_CHANNELS: dict[str, Callable[[Any], None]] = {
    'mmdet': _detection_channels,
    'mmpose': _pose_channels,
    'mmpretrain': _classification_channels,
    'mmseg': _segmentation_channels,
}


def _divided(value: Any, divisor: int, at_least: int = 0) -> Any:
    """Divide the pixels, also those in lists; smaller numbers and others are no sizes of images."""
    if isinstance(value, list | tuple):
        return type(value)(_divided(item, divisor, at_least) for item in value)
    return value // divisor if isinstance(value, int) and value >= at_least else value


def _dicts(part: Any) -> Iterator[Any]:
    if isinstance(part, Mapping):
        yield part
        part = list(part.values())
    if isinstance(part, list | tuple):
        for value in part:
            yield from _dicts(value)


def _difference(where: str, before: Any, after: Any) -> Iterator[str]:
    """`path.to.key=value` for all that differs, as mmengine's DictAction reads it."""
    if isinstance(after, Mapping):
        before = before if isinstance(before, Mapping) else {}
        for key, value in after.items():
            if key not in before or before[key] != value:
                yield from _difference(f'{where}.{key}'.lstrip('.'), before.get(key), value)
    elif isinstance(after, list | tuple) and any(isinstance(item, Mapping) for item in after):
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            if old != new:
                yield from _difference(f'{where}.{i}', old, new)
    else:
        yield f'{where}={str(after).replace(" ", "")}'
