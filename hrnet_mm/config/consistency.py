"""Contradictory settings of an OpenMMLab config, detected without training or allocating anything."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from ..models import HRFuseScales, HRNet, HRNetV2pFPN
from ..registry import class_of, scope_of, type_name

__all__ = ['contradictions', 'dicts']

Channels = tuple[int, ...]


def contradictions(config: Mapping[str, Any], training: bool, on_cpu: bool, processes: int) -> list[str]:
    """Return the contradictions that would stop a run, or keep a training from learning.

    Channels are followed through this package's backbones and necks, the necks that only pass maps on, and the heads of
    the four libraries. After an unknown module, nothing is compared.

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
            channels: Channels | None = backbone.out_channels
            for where, neck in _numbered('model.neck', model.get('neck')):
                channels = None if channels is None else _through_neck(where, neck, channels, problems)
            if channels is not None and scope in _HEADS:
                _HEADS[scope](model, channels, problems)
            if training and not (_has_weights(model) or config.get('load_from') or config.get('resume')):
                problems += _frozen_at_random(backbone)
    if on_cpu and processes > 1 and any(type_name(part) in ('SyncBN', 'SyncBatchNorm') for part in dicts(model)):
        problems.append(
            'model: SyncBN works on GPUs only; for several CPU processes set the norm_cfg of the model to BN or GN'
        )
    if on_cpu and training and type_name(config.get('optim_wrapper') or {}) == 'AmpOptimWrapper':
        problems.append('optim_wrapper: AmpOptimWrapper works on GPUs only; to train in bfloat16 on a CPU add --amp')
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config.get(name) or {}
        if loader.get('persistent_workers') and not loader.get('num_workers'):
            problems.append(f'{name}: persistent_workers=True needs num_workers of at least 1; set it to False')
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


def _through_neck(where: str, neck: Any, channels: Channels, problems: list[str]) -> Channels | None:
    """Return the output channels of a neck; None if they are unknown."""
    kind = type_name(neck)
    if kind == 'GlobalAveragePooling':
        return channels
    if kind == 'FeatureMapProcessor':
        picked = neck.get('select_index')
        picked = range(len(channels)) if picked is None else [picked] if isinstance(picked, int) else picked
        if any(not -len(channels) <= i < len(channels) for i in picked):
            problems.append(f'{where}.select_index: {list(picked)}, but the backbone returns {_maps(channels)}')
            return None
        chosen = tuple(channels[i] for i in picked)
        return (sum(chosen),) if neck.get('concat') else chosen
    built = _own(where, neck, (HRNetV2pFPN, HRFuseScales), problems)
    if not isinstance(built, HRNetV2pFPN | HRFuseScales):
        return None
    _compare(f'{where}.in_channels', built.in_channels, channels, problems)
    return built.out_channels


def _pose_heads(model: Mapping[str, Any], channels: Channels, problems: list[str]) -> None:
    head = model.get('head') or {}
    expected = head.get('in_channels')
    given = channels if isinstance(expected, Sequence) else channels[-1:]  # mmpose's heads read the last map
    _compare('model.head.in_channels', expected, given, problems)


def _segmentation_heads(model: Mapping[str, Any], channels: Channels, problems: list[str]) -> None:
    for name in ('decode_head', 'auxiliary_head'):
        for where, head in _numbered(f'model.{name}', model.get(name)):
            read = head.get('in_index', -1)
            read = [read] if isinstance(read, int) else read
            if any(not -len(channels) <= i < len(channels) for i in read):
                problems.append(f'{where}.in_index: {list(read)}, but the backbone returns {_maps(channels)}')
                continue
            _compare(f'{where}.in_channels', head.get('in_channels'), [channels[i] for i in read], problems)


def _classification_heads(model: Mapping[str, Any], channels: Channels, problems: list[str]) -> None:
    head = model.get('head') or {}
    _compare('model.head.in_channels', head.get('in_channels'), channels[-1:], problems)


def _detection_heads(model: Mapping[str, Any], channels: Channels, problems: list[str]) -> None:
    if len(set(channels)) > 1:
        return  # not a pyramid, and read by none of the heads below
    for name in ('rpn_head', 'bbox_head', 'mask_head'):
        for where, head in _numbered(f'model.{name}', model.get(name)):
            _compare(f'{where}.in_channels', head.get('in_channels'), channels[:1], problems)
            strides = head.get('strides') or (head.get('anchor_generator') or {}).get('strides') or channels
            if len(strides) != len(channels):
                problems.append(f'{where}: strides for {len(strides)} maps, but the neck returns {len(channels)}')
    roi_head = model.get('roi_head') or {}
    for name in ('bbox', 'mask'):
        for where, extractor in _numbered(
            f'model.roi_head.{name}_roi_extractor', roi_head.get(f'{name}_roi_extractor')
        ):
            _compare(f'{where}.out_channels', extractor.get('out_channels'), channels[:1], problems)
        for where, head in _numbered(f'model.roi_head.{name}_head', roi_head.get(f'{name}_head')):
            _compare(f'{where}.in_channels', head.get('in_channels'), channels[:1], problems)


_HEADS: dict[str, Callable[[Mapping[str, Any], Channels, list[str]], None]] = {
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
