"""Contradictory settings of an OpenMMLab config, detected without training or allocating anything."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from ..models import HRFuseScales, HRNet, HRNetV2pFPN
from ..registry import class_of, scope_of, type_name
from .labels import check_labels, setting

__all__ = ['contradictions', 'dicts']

Channels = tuple[int, ...]


class Maps(NamedTuple):
    """The channels of the maps that one part gives to the next, and their strides in pixels of the image."""

    channels: Channels
    strides: tuple[int, ...]


def contradictions(config: Mapping[str, Any], training: bool, on_cpu: bool, processes: int) -> list[str]:
    """Return the contradictions that would stop a run, or keep a training from learning.

    Channels and strides are followed through this package's backbones and necks, the necks that only pass maps on, and
    the heads of the four libraries. After an unknown module, nothing is compared.

    Args:
        config: The config.
        training: Whether it is for training.
        on_cpu: Whether there is no GPU.
        processes: The number of processes that run together.

    Returns:
        One sentence for each contradiction.
    """
    model = config.get('model') or {}
    scope = scope_of(config) or 'mmengine'
    problems: list[str] = []
    with DefaultScope.overwrite_default_scope(scope):
        backbone = _own('model.backbone', model.get('backbone'), HRNet, problems)
        if isinstance(backbone, HRNet):
            maps: Maps | None = Maps(backbone.out_channels, backbone.strides)
            for where, neck in _numbered('model.neck', model.get('neck')):
                maps = None if maps is None else _through_neck(where, neck, maps, problems)
            if maps is not None and scope in _HEADS:
                _HEADS[scope](config, maps, problems)
            if training and not (_has_weights(model) or config.get('load_from') or config.get('resume')):
                problems += _frozen_at_random(backbone)
        check_labels(config, scope, training, problems)
    if on_cpu and processes > 1 and any(type_name(part) in ('SyncBN', 'SyncBatchNorm') for part in dicts(model)):
        problems.append(
            'model: SyncBN works on GPUs only; for several CPU processes set the norm_cfg of the model to BN or GN'
        )
    if on_cpu and training and type_name(config.get('optim_wrapper') or {}) == 'AmpOptimWrapper':
        problems.append('optim_wrapper: AmpOptimWrapper works on GPUs only; to train in bfloat16 on a CPU add --amp')
    if training:
        problems += _schedules(config)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config.get(name) or {}
        if loader.get('persistent_workers') and not loader.get('num_workers'):
            problems.append(f'{name}: persistent_workers=True needs num_workers of at least 1; set it to False')
    return problems


def _schedules(config: Mapping[str, Any]) -> list[str]:
    """Return schedules that count epochs where the training counts iterations, and the reverse."""
    loop, problems = config.get('train_cfg') or {}, []
    by_epoch = loop.get('by_epoch', type_name(loop) != 'IterBasedTrainLoop')
    length = loop.get('max_epochs' if by_epoch else 'max_iters')
    for where, schedule in _numbered('param_scheduler', config.get('param_scheduler')):
        counts = schedule.get('by_epoch', True)
        milestones = schedule.get('milestones') or ()
        milestones = milestones if isinstance(milestones, list | tuple) else ()
        end = max([schedule.get('end') or 0, *milestones], default=0)
        if not by_epoch and counts and isinstance(length, int) and end > 0.5 * length > 1000:
            problems.append(f'{where}: by_epoch=True with {end} epochs, but train_cfg has {length} iterations')
        elif by_epoch and not counts and milestones and isinstance(length, int) and end <= length:
            problems.append(
                f'{where}: by_epoch=False with {end} iterations, but train_cfg has {length} epochs; set by_epoch=True'
            )
    return problems


def _frozen_at_random(backbone: HRNet) -> list[str]:
    remedy = 'or give the backbone weights by init_cfg or load_from'
    problems = []
    if backbone.norm_eval:
        problems.append(
            'model.backbone: norm_eval=True uses the running statistics of batch norm, which random weights lack: '
            f'activations grow until the loss is NaN. Set norm_eval=False, {remedy}'
        )
    if backbone.frozen_stages >= 0:
        problems.append(
            f'model.backbone: frozen_stages={backbone.frozen_stages} freezes random weights. '
            f'Set frozen_stages=-1, {remedy}'
        )
    return problems


def _own(where: str, settings: Any, classes: Any, problems: list[str]) -> nn.Module | None:
    """Build the module on the meta device if it is of these classes; errors in its arguments go to `problems`."""
    if not settings or 'type' not in settings:
        return None
    owner = class_of(settings, MODELS)
    if not isinstance(owner, type) or not issubclass(owner, classes):
        return None
    try:
        with torch.device('meta'):
            part: nn.Module = MODELS.build(settings)
    except ValueError as error:
        problems.append(f'{where}: {error}')
    except TypeError:
        pass  # an unknown key, reported by check_config
    else:
        return part
    return None


def _has_weights(model: Mapping[str, Any]) -> bool:
    parts = [model, model['backbone']]
    pretrained = [part.get('pretrained') for part in parts]
    inits = [init for part in parts for _, init in _numbered('', part.get('init_cfg'))]
    return any(pretrained) or any(type_name(init).startswith('Pretrained') for init in inits)


def _through_neck(where: str, neck: Any, maps: Maps, problems: list[str]) -> Maps | None:
    """Return the output of a neck; None if it is unknown."""
    kind = type_name(neck)
    channels, strides = maps
    if kind == 'GlobalAveragePooling':
        return maps
    if kind == 'FeatureMapProcessor':
        picked = neck.get('select_index')
        picked = range(len(channels)) if picked is None else [picked] if isinstance(picked, int) else picked
        if any(not -len(channels) <= i < len(channels) for i in picked):
            problems.append(f'{where}.select_index: {list(picked)}, but the backbone returns {_maps(channels)}')
            return None
        chosen = Maps(tuple(channels[i] for i in picked), tuple(strides[i] for i in picked))
        if neck.get('concat'):  # resized to the first
            return Maps((sum(chosen.channels),), chosen.strides[:1])
        return chosen if neck.get('scale_factor', 1.0) == 1.0 else None
    owner = class_of(neck, MODELS)
    if isinstance(owner, type) and issubclass(owner, HRNet):
        problems.append(f'{where}: {kind} is a backbone, which reads images; give a neck')
        return None
    built = _own(where, neck, (HRNetV2pFPN, HRFuseScales), problems)
    if not isinstance(built, HRNetV2pFPN | HRFuseScales):
        return None
    _compare(f'{where}.in_channels', built.in_channels, channels, problems)
    return Maps(built.out_channels, built.strides)


def _pose_heads(config: Mapping[str, Any], maps: Maps, problems: list[str]) -> None:
    head = config['model'].get('head') or {}
    expected = head.get('in_channels')
    # mmpose's heads read the last map
    given = maps.channels if isinstance(expected, Sequence) else maps.channels[-1:]
    _compare('model.head.in_channels', expected, given, problems)
    codec = head.get('decoder') or {}
    size, heatmap = codec.get('input_size'), codec.get('heatmap_size')
    if size and heatmap and type_name(head) in ('HeatmapHead', 'FaceHead'):
        deconvolutions = head.get('deconv_out_channels', (256, 256, 256)) or ()
        stride = maps.strides[-1] / 2 ** len(deconvolutions)
        made = [round(side / stride) for side in size]
        if list(heatmap) != made:
            problems.append(
                f'model.head.decoder.heatmap_size: {list(heatmap)}, but the head makes maps of {made} of an input of '
                f'{list(size)}'
            )
    # Restored heatmaps are decoded at the size of the input
    is_restored = (config['model'].get('test_cfg') or {}).get('restore_heatmap_size')
    ignored = ('type', '_scope_', *(('heatmap_size',) if is_restored else ()))
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for step in dicts((config.get(name) or {}).get('dataset')):
            if not size or 'type' not in step:
                continue
            cropped = step.get('input_size') if type_name(step) in ('TopdownAffine', 'FaceCrop') else None
            if cropped and list(cropped) != list(size):
                problems.append(
                    f'{name}: {type_name(step)} crops to {list(cropped)}, but model.head.decoder has the input_size '
                    f'{list(size)}'
                )
            encoder = step.get('encoder') if type_name(step) == 'GenerateTarget' else None
            if isinstance(encoder, Mapping):
                problems += [
                    f'{name}: GenerateTarget encodes keypoints with {key} {encoder.get(key)!r}, but model.head.decoder '
                    f'has {codec.get(key)!r}'
                    for key in {**encoder, **codec}
                    if key not in ignored and _plain(encoder.get(key)) != _plain(codec.get(key))
                ]


def _plain(value: Any) -> Any:
    """A value with lists for tuples, which mean the same in a config."""
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _segmentation_heads(config: Mapping[str, Any], maps: Maps, problems: list[str]) -> None:
    model, channels = config['model'], maps.channels
    classes: dict[str, int] = {}
    corners: dict[str, bool] = {}
    for name in ('decode_head', 'auxiliary_head'):
        for where, head in _numbered(f'model.{name}', model.get(name)):
            if isinstance(head.get('num_classes'), int):
                classes[where] = head['num_classes']
            corners[where] = bool(setting(head, class_of(head, MODELS), 'align_corners'))
            read = head.get('in_index', -1)
            read = [read] if isinstance(read, int) else read
            if any(not -len(channels) <= i < len(channels) for i in read):
                problems.append(f'{where}.in_index: {list(read)}, but the backbone returns {_maps(channels)}')
                continue
            _compare(f'{where}.in_channels', head.get('in_channels'), [channels[i] for i in read], problems)
    for setting_name, values, why in (
        ('num_classes', classes, 'that learn the same labels'),
        ('align_corners', corners, 'whose maps are resized to one another'),
    ):
        if len(set(values.values())) > 1:
            listed = ', '.join(f'{where} {value}' for where, value in values.items())
            problems.append(f'{setting_name} differs among heads {why}: {listed}')


def _classification_heads(config: Mapping[str, Any], maps: Maps, problems: list[str]) -> None:
    head = config['model'].get('head') or {}
    _compare('model.head.in_channels', head.get('in_channels'), maps.channels[-1:], problems)


def _detection_heads(config: Mapping[str, Any], maps: Maps, problems: list[str]) -> None:
    channels, strides = maps
    if len(set(channels)) > 1:
        return  # not a pyramid, and read by none of the heads below
    model = config['model']
    for name in ('rpn_head', 'bbox_head', 'mask_head'):
        for where, head in _numbered(f'model.{name}', model.get(name)):
            _compare(f'{where}.in_channels', head.get('in_channels'), channels[:1], problems)
            for read in _head_strides(head):
                if len(read) != len(strides):
                    problems.append(f'{where}: strides for {len(read)} maps, but the neck returns {len(strides)}')
                elif read != strides:
                    problems.append(
                        f'{where}: strides {list(read)}, but the maps of the neck have the strides {list(strides)}'
                    )
            ranges = head.get('regress_ranges')
            if ranges is not None and len(ranges) != len(strides):
                problems.append(f'{where}.regress_ranges: {len(ranges)} ranges, but the neck returns {len(strides)}')
    roi_head = model.get('roi_head') or {}
    for where, roi in _numbered('model.roi_head', roi_head):
        for name, part in roi.items():
            if name.endswith('roi_extractor'):
                for place, extractor in _numbered(f'{where}.{name}', part):
                    _compare(f'{place}.out_channels', extractor.get('out_channels'), channels[:1], problems)
                    read = tuple(extractor.get('featmap_strides') or ())
                    # A semantic extractor reads a map of its own.
                    if not name.startswith('semantic') and read != strides[: len(read)]:
                        problems.append(
                            f'{place}.featmap_strides: {list(read)}, but the maps of the neck have the strides '
                            f'{list(strides)}'
                        )
        for name in ('bbox', 'mask'):
            for place, head in _numbered(f'{where}.{name}_head', roi.get(f'{name}_head')):
                _compare(f'{place}.in_channels', head.get('in_channels'), channels[:1], problems)


def _head_strides(head: Mapping[str, Any]) -> set[tuple[int, ...]]:
    """Return the strides that a detection head gives the maps, its class's defaults among them."""
    if 'SOLO' in type_name(head):
        return set()  # resizes the first and the last map itself
    found = [part[name] for part in dicts(head) for name in ('strides', 'point_strides') if part.get(name)]
    if not found:
        try:
            with torch.device('meta'):
                built = MODELS.build(dict(head))
        except Exception:  # whatever an incomplete head raises stops the run where it is built
            return set()
        for part in (built, *(value for name, value in vars(built).items() if name.endswith('generator'))):
            strides = getattr(part, 'strides', None)
            found += [strides] if isinstance(strides, list | tuple) else []
    return {tuple(one[0] if isinstance(one, list | tuple) else one for one in strides) for strides in found}


_HEADS: dict[str, Callable[[Mapping[str, Any], Maps, list[str]], None]] = {
    'mmdet': _detection_heads,
    'mmpose': _pose_heads,
    'mmpretrain': _classification_heads,
    'mmseg': _segmentation_heads,
}


def _compare(where: str, expected: Any, given: Sequence[int], problems: list[str]) -> None:
    """Add a difference to `problems`, unless the argument is left out."""
    if expected is None:
        return
    numbers = [expected] if isinstance(expected, int) else list(expected)
    if numbers != list(given):
        problems.append(f'{where}: {expected!r}, but its input is {_maps(given)}')


def _maps(channels: Sequence[int]) -> str:
    return f'{len(channels)} map{"s" if len(channels) > 1 else ""} of {", ".join(map(str, channels))} channels'


def _numbered(where: str, parts: Any) -> Iterable[tuple[str, Any]]:
    """Return the dicts of a list with their places, or a single dict."""
    if isinstance(parts, Mapping):
        return [(where, parts)]
    return [(f'{where}[{i}]', part) for i, part in enumerate(parts or []) if isinstance(part, Mapping)]


def dicts(part: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every dict at any depth of dicts and lists, outermost first.

    Args:
        part: A config or a part of it.
    """
    if isinstance(part, Mapping):
        yield part
        part = list(part.values())
    if isinstance(part, list | tuple):
        for value in part:
            yield from dicts(value)
