"""Kinds of values that the sections of a config need, before their keys and types are looked at."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.hooks import (
    CheckpointHook,
    DistSamplerSeedHook,
    IterTimerHook,
    LoggerHook,
    ParamSchedulerHook,
    RuntimeInfoHook,
)
from mmengine.registry import HOOKS, DefaultScope

from ..registry import class_of, scope_of
from .types import has_registries

__all__ = ['structure_problems']

_SECTIONS = (
    *('model', 'optim_wrapper', 'default_hooks', 'train_cfg', 'val_cfg', 'test_cfg', 'data_preprocessor'),
    *('train_dataloader', 'val_dataloader', 'test_dataloader'),
)
_PARTS = ('backbone', 'neck', 'head', 'decode_head', 'auxiliary_head', 'rpn_head', 'bbox_head', 'mask_head', 'roi_head')
"""Parts of models, each a dict, a list of dicts, or None."""

_TEXTS = ('ann_file', 'bbox_file', 'data_root', 'img_suffix', 'seg_map_suffix', 'split')
_DEFAULT_HOOKS = {
    'checkpoint': CheckpointHook,
    'logger': LoggerHook,
    'param_scheduler': ParamSchedulerHook,
    'runtime_info': RuntimeInfoHook,
    'sampler_seed': DistSamplerSeedHook,
    'timer': IterTimerHook,
}


def structure_problems(config: Mapping[str, Any]) -> list[str]:
    """Return the places of a config that hold another kind of value than the libraries read there.

    Args:
        config: The config.

    Returns:
        One sentence for each, beginning with the place.
    """
    problems = [f'{where}: {_short(value)}; expected {needed}' for where, value, needed in _problems(config)]
    return problems or _exchanged_hooks(config)


def _problems(config: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield the place, the value and what is needed there."""
    yield from _scopes('', dict(config.items()))
    for name in _SECTIONS:
        if not isinstance(config.get(name), Mapping | None):
            yield name, config[name], 'a dict'
    model = config.get('model')
    if isinstance(model, Mapping) and not model.get('type'):
        yield 'model.type', model.get('type'), 'the name of a model'
    for name in _PARTS if isinstance(model, Mapping) else ():
        part = model.get(name) if isinstance(model, Mapping) else None
        parts = part if isinstance(part, list | tuple) else [part]
        if not all(isinstance(one, Mapping | None) for one in parts):
            yield f'model.{name}', part, 'a dict or a list of dicts'
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config.get(name)
        if isinstance(loader, Mapping):
            if not isinstance(loader.get('sampler'), Mapping | None):
                yield f'{name}.sampler', loader['sampler'], 'a dict'
            if loader.get('dataset') is not None:
                yield from _dataset(f'{name}.dataset', loader['dataset'])
    hooks = config.get('default_hooks')
    for name, hook in hooks.items() if isinstance(hooks, Mapping) else ():
        if not isinstance(hook, Mapping | None):
            yield f'default_hooks.{name}', hook, 'a dict, or None for no hook'


def _dataset(where: str, dataset: Any) -> Iterator[tuple[str, Any, str]]:
    if not isinstance(dataset, Mapping):
        yield where, dataset, 'a dict'
        return
    if not dataset.get('type'):
        yield f'{where}.type', dataset.get('type'), 'the name of a data set'
    pipeline = dataset.get('pipeline', ())
    if not isinstance(pipeline, list | tuple):
        yield f'{where}.pipeline', pipeline, 'a list of dicts'
    for i, step in enumerate(pipeline if isinstance(pipeline, list | tuple) else ()):
        if not (callable(step) or (isinstance(step, Mapping) and step.get('type'))):
            yield f'{where}.pipeline[{i}]', step, 'a dict with a type'
    for name in ('metainfo', 'filter_cfg'):
        if not isinstance(dataset.get(name), Mapping | None):
            yield f'{where}.{name}', dataset[name], 'a dict'
    prefix = dataset.get('data_prefix')
    values = list(prefix.values()) if isinstance(prefix, Mapping) else [prefix]
    if not all(isinstance(value, str | None) for value in values):
        yield f'{where}.data_prefix', prefix, 'a folder, or a dict of folders'
    for name in _TEXTS:
        if not isinstance(dataset.get(name), str | None):
            yield f'{where}.{name}', dataset[name], 'a text'
    inner = dataset.get('datasets', ())
    if not isinstance(inner, list | tuple):
        yield f'{where}.datasets', inner, 'a list of dicts'
        return
    for i, one in enumerate(inner):
        yield from _dataset(f'{where}.datasets[{i}]', one)
    if 'dataset' in dataset:
        yield from _dataset(f'{where}.dataset', dataset['dataset'])


def _scopes(where: str, part: Any) -> Iterator[tuple[str, Any, str]]:
    if isinstance(part, Mapping):
        if not isinstance(part.get('_scope_'), str | None):
            yield f'{where}._scope_', part['_scope_'], 'the name of a library'
        for key, value in part.items():
            yield from _scopes(f'{where}.{key}' if where else str(key), value)
    elif isinstance(part, list | tuple):
        for i, value in enumerate(part):
            yield from _scopes(f'{where}[{i}]', value)


def _exchanged_hooks(config: Mapping[str, Any]) -> list[str]:
    """Return the default hooks that are of the kind of another one, so that their own is lost."""
    problems = []
    scope = scope_of(config) or 'mmengine'
    if not has_registries(scope):
        return []
    with DefaultScope.overwrite_default_scope(scope):
        for name, own in _DEFAULT_HOOKS.items():
            owner = class_of((config.get('default_hooks') or {}).get(name) or {}, HOOKS)
            others = [other for other in _DEFAULT_HOOKS.values() if other is not own]
            if isinstance(owner, type) and issubclass(owner, tuple(others)) and not issubclass(owner, own):
                problems.append(f'default_hooks.{name}: {owner.__name__}; expected {own.__name__}, or None for no hook')
    return problems


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f'{text[:50]}...'
