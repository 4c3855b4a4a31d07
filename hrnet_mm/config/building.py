"""Trial of a config: its model, pipelines, optimizer, schedules, hooks and metrics are built, and nothing is run."""

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, METRICS, MODELS, PARAM_SCHEDULERS, TRANSFORMS, DefaultScope
from torch import nn

from ..registry import scope_of, type_name
from .types import has_registries

__all__ = ['building_problems']


def building_problems(config: Mapping[str, Any], training: bool) -> list[str]:
    """Return what of a config cannot be built.

    The model is built without memory for its weights, and with it if that fails, as some constructors need numbers.

    Args:
        config: The config, whose keys and types are right (`config.check`).
        training: Whether it is for training, with the validation; otherwise for a test.

    Returns:
        One sentence for each part, with the error of its constructor.
    """
    scope = scope_of(config) or 'mmengine'
    if not has_registries(scope):
        return []
    problems: list[str] = []
    with DefaultScope.overwrite_default_scope(scope), _silence():
        model = _model(config, problems)
        for loader in ('train_dataloader', 'val_dataloader') if training else ('test_dataloader',):
            for where, step in _steps(f'{loader}.dataset', (config.get(loader) or {}).get('dataset')):
                _build(where, step, TRANSFORMS.build, problems)
            name = loader.replace('dataloader', 'evaluator')
            for where, metric in _each(name, config.get(name)):
                # Without its annotation file, which is long to read, and which `config.data` checks.
                _build(where, {key: metric[key] for key in metric if key != 'ann_file'}, METRICS.build, problems)
        for where, hook in [
            *((f'default_hooks.{name}', hook) for name, hook in (config.get('default_hooks') or {}).items()),
            *_each('custom_hooks', config.get('custom_hooks')),
        ]:
            if isinstance(hook, Mapping) and not str(hook.get('type')).startswith('hrnet_mm.'):
                _build(where, hook, HOOKS.build, problems)
        if training and model is not None:
            _optimization(config, model, problems)
    return problems


@contextmanager
def _silence() -> Iterator[None]:
    """Log nothing, as mmengine would list every parameter with options of its own."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _model(config: Mapping[str, Any], problems: list[str]) -> nn.Module | None:
    settings = config.get('model') or {}
    if 'type' not in settings:
        return None
    if config.get('data_preprocessor') is not None:
        settings = {'data_preprocessor': config['data_preprocessor'], **settings}
    try:
        with torch.device('meta'):
            model: nn.Module = MODELS.build(copy.deepcopy(settings))
    except Exception:  # some constructors compute with tensors
        built = _build('model', settings, MODELS.build, problems)
        return built if isinstance(built, nn.Module) else None
    return model


def _optimization(config: Mapping[str, Any], model: nn.Module, problems: list[str]) -> None:
    settings = config.get('optim_wrapper') or {}
    if type_name(settings) not in ('', 'OptimWrapper') or 'optimizer' not in settings:
        return  # others need a GPU, or have optimizers of their own
    wrapper = _try('optim_wrapper', settings, lambda part: build_optim_wrapper(model, part), problems)
    if wrapper is None:
        return
    for where, scheduler in _each('param_scheduler', config.get('param_scheduler')):
        part = {key: value for key, value in scheduler.items() if key != 'convert_to_iter_based'}
        _try(where, part, lambda part: PARAM_SCHEDULERS.build({**part, 'optimizer': wrapper.optimizer}), problems)


def _build(where: str, settings: Any, build: Callable[[Any], Any], problems: list[str]) -> Any:
    """Build a part that has a type."""
    return _try(where, settings, build, problems) if isinstance(settings, Mapping) and 'type' in settings else None


def _try(where: str, settings: Mapping[str, Any], build: Callable[[Any], Any], problems: list[str]) -> Any:
    """Build a part; an error of its constructor goes to `problems`."""
    try:
        return build(copy.deepcopy(settings))
    except Exception as error:  # whatever it is, the run would stop with it
        reason = ' '.join(str(error).split())
        if 'Visualizer.get_current_instance' in reason:
            return None  # a hook that draws on what a run provides
        kind = type_name(settings) or 'OptimWrapper'
        described = ': '.join(filter(None, (type(error).__name__, reason[:300])))
        problems.append(f'{where}: {kind} cannot be built: {described}')
        return None


def _steps(where: str, dataset: Any) -> Iterator[tuple[str, Any]]:
    """Yield the steps of all pipelines of a data set and of those inside it."""
    if not isinstance(dataset, Mapping):
        return
    for name, value in dataset.items():
        if name == 'pipeline' and isinstance(value, list | tuple):
            yield from ((f'{where}.pipeline[{i}]', step) for i, step in enumerate(value))
        elif name == 'dataset':
            yield from _steps(f'{where}.dataset', value)
        elif name == 'datasets' and isinstance(value, list | tuple):
            for i, inner in enumerate(value):
                yield from _steps(f'{where}.datasets[{i}]', inner)


def _each(where: str, parts: Any) -> list[tuple[str, Mapping[str, Any]]]:
    if isinstance(parts, Mapping):
        return [(where, parts)]
    return [(f'{where}[{i}]', part) for i, part in enumerate(parts or ()) if isinstance(part, Mapping)]
