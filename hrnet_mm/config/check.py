"""Finds what is wrong with an OpenMMLab config before anything is built: misspelt keys and types, first of all.

Keys are compared with the signatures of the classes that would be built.
"""

import difflib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry
from mmengine.runner import Runner

from .consistency import contradictions
from .files import missing_files

__all__ = ['check_config', 'config_problems', 'registered_names']

_SECTIONS = (
    *('model', 'data_preprocessor', 'tta_model', 'tta_pipeline', 'optim_wrapper', 'param_scheduler'),
    *('train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'val_cfg', 'test_cfg'),
    *('val_evaluator', 'test_evaluator', 'default_hooks', 'custom_hooks', 'visualizer', 'log_processor'),
    *('env_cfg', 'randomness', 'auto_scale_lr'),
)
"""What a Runner builds. Other top-level names are variables of the config, and only near-misses of these are wrong."""

_CUSTOMARY = ('custom_imports', 'default_scope', 'train_pipeline', 'val_pipeline', 'test_pipeline')
_UNTYPED: dict[str, tuple[str, ...]] = {
    # Dicts whose type is left out because it is always the same, and the keys that their builders take out first.
    'train_dataloader': ('torch.utils.data.DataLoader',),
    'val_dataloader': ('torch.utils.data.DataLoader',),
    'test_dataloader': ('torch.utils.data.DataLoader',),
    'train_cfg': ('mmengine.runner.EpochBasedTrainLoop', 'mmengine.runner.IterBasedTrainLoop'),
    'val_cfg': ('mmengine.runner.ValLoop',),
    'test_cfg': ('mmengine.runner.TestLoop',),
    'optim_wrapper': ('mmengine.optim.OptimWrapper',),
    'log_processor': ('mmengine.runner.LogProcessor',),
}
_EXTRA = {'type', '_scope_', 'requires_grad'}  # the last is of norm layers, whose builder takes it
_FOREIGN = {(name, 'transforms') for name in ('Albu', 'Albumentation', 'Albumentations')}
"""Where the names are those of another package."""
_EXTRA_OF = {
    'train_dataloader': {'num_batch_per_epoch'},
    'train_cfg': {'by_epoch'},
    'optim_wrapper': {'constructor', 'paramwise_cfg', 'accumulative_counts', 'clip_grad'},
    'param_scheduler': {'convert_to_iter_based'},
}


_NEEDED = {
    True: ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'),
    False: ('model', 'test_dataloader', 'test_cfg', 'test_evaluator'),
}


def config_problems(config: Config, training: bool, on_cpu: bool, processes: int = 1) -> list[str]:
    """One sentence for each mistake with which a training, or a test, of this config would stop or go wrong.

    These are what `check_config` finds, sections that are not there, settings that contradict one another, and files
    that do not exist. `processes` is how many run together, `on_cpu` whether they do so without a GPU.
    """
    absent = [f'{name}: the config has none' for name in _NEEDED[training] if config.get(name) is None]
    validation = ('val_dataloader', 'val_cfg', 'val_evaluator')
    has = [name for name in validation if config.get(name) is not None]
    if training and has and len(has) < len(validation):
        absent += [f'{name}: the config has none, but {has[0]}' for name in validation if name not in has]
    loaders = ('train_dataloader', 'val_dataloader') if training else ('test_dataloader',)
    return [
        *check_config(config),
        *absent,
        *contradictions(config, training, on_cpu, processes),
        *missing_files(config, loaders),
    ]


def check_config(config: Config) -> list[str]:
    """One sentence for each key or type that nothing knows, with the nearest known one; empty if all is well."""
    scope = config.get('default_scope', 'mmengine')
    with DefaultScope.overwrite_default_scope(scope):
        checker = _Checker(scope)
        for name in config:
            if close := _misspelt_section(name, config):
                checker.problems.append(f'{name}: no such setting; did you mean {close!r}?')
        for section in _SECTIONS:
            checker.walk(section, config.get(section), section)
    return checker.problems


def _misspelt_section(name: str, config: Config) -> str | None:
    """The setting that a top-level name was meant to be; None if it is one, or a variable."""
    settings = set(inspect.signature(Runner).parameters)
    known = {*settings, *_SECTIONS, *_CUSTOMARY}
    if name in known:
        return None
    if re.search(rf'\b{re.escape(name)}\b(?!\s*=[^=])', config.text):
        return None  # a variable, which something reads
    if nearest := difflib.get_close_matches(name, known, n=1, cutoff=0.9):
        return nearest[0]
    # In a dumped config, which has no _base_, nothing reads the variables any more: there it is one that is lacking.
    candidates = settings if '_base_' in config.text else settings - set(config)
    nearest = difflib.get_close_matches(name, candidates, n=1, cutoff=0.75)
    return nearest[0] if nearest else None


class _Checker:
    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.problems: list[str] = []

    def walk(self, where: str, value: Any, section: str) -> None:
        """Check every dict at or below `value`."""
        if isinstance(value, Mapping):
            self._check_dict(where, value, section)
            for key, item in value.items():
                # What metainfo calls a type is a key-point's kind, not a class.
                if key != 'metainfo' and (value.get('type'), key) not in _FOREIGN:
                    self.walk(f'{where}.{key}', item, section)
        elif isinstance(value, list | tuple):
            for i, item in enumerate(value):
                self.walk(f'{where}[{i}]', item, section)

    def _check_dict(self, where: str, value: Mapping[str, Any], section: str) -> None:
        top = where == section
        kind = value.get('type')
        if kind is None and not (top and section in _UNTYPED):
            # Nothing says what reads a dict without a type: a word that the library's source lacks is misspelt.
            self._report(where, set(value) - set(_vocabulary(self.scope)), _vocabulary(self.scope))
            return
        if kind is None:
            owners = [_imported(path) for path in _UNTYPED[section]]
        else:
            owners = [kind] if callable(kind) else _classes(str(kind), self.scope)
        if not owners:
            self.problems.append(f'{where}: nothing is called {kind!r}{_hint(str(kind), registered_names(self.scope))}')
            return
        known = set().union(*(_parameters(owner) for owner in owners)) | _EXTRA | _EXTRA_OF.get(where, set())
        unknown = set(value) - known
        if '**' in known:  # handed on to something that the signature does not name
            unknown -= _vocabulary(self.scope)
        self._report(where, unknown, known)

    def _report(self, where: str, unknown: Iterable[str], known: Iterable[str]) -> None:
        for key in sorted(key for key in unknown if isinstance(key, str)):
            self.problems.append(f'{where}.{key}: no such key{_hint(key, known)}')


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean {close[0]!r}?' if close else ''


def _imported(path: str) -> Any:
    module, _, name = path.rpartition('.')
    return getattr(importlib.import_module(module), name)


@cache
def _registries(scope: str) -> list[Registry]:
    modules = [importlib.import_module(name) for name in dict.fromkeys((f'{scope}.registry', 'mmengine.registry'))]
    return list({id(r): r for m in modules for r in vars(m).values() if isinstance(r, Registry)}.values())


def _classes(name: str, scope: str) -> list[Any]:
    """Whatever is registered under the name, of any kind, or importable by it, or an operator of mmcv."""
    found = [registry.get(name) for registry in _registries(scope)]
    if (
        importlib.util.find_spec('mmcv') is not None
    ):  # not an import above: the engine, which checks configs, needs none
        found.append(vars(importlib.import_module('mmcv.ops')).get(name))
    return [owner for owner in found if owner is not None]


@cache
def registered_names(scope: str) -> list[str]:
    """The names that are registered in a library, and in mmengine."""
    names: set[str] = set()
    for registry in _registries(scope):
        current: Registry | None = registry
        while current is not None:
            current.import_from_location()
            names.update(current.module_dict)
            current = current.parent
    return sorted(names)


def _parameters(owner: Callable[..., Any]) -> set[str]:
    """The keyword arguments it takes; where it passes on **kwargs, those of the base classes, and '**' at the end."""
    inits = (
        [vars(cls)['__init__'] for cls in owner.__mro__[:-1] if '__init__' in vars(cls)]
        if inspect.isclass(owner)
        else [owner]
    )
    known: set[str] = set()
    for init in inits:
        parameters = inspect.signature(init).parameters.values()
        known.update(p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return known
    return known | {'**'}


@cache
def _vocabulary(scope: str) -> frozenset[str]:
    """Every word in the source of the library, of mmengine and mmcv, and of this package."""
    words: set[str] = set()
    for name in (scope, 'mmengine', 'mmcv', 'hrnet_mm'):
        if importlib.util.find_spec(name) is None:
            continue
        (folder,) = importlib.import_module(name).__path__
        for file in Path(folder).rglob('*.py'):
            if '.mim' not in file.parts:
                words.update(re.findall(r'[A-Za-z_]\w*', file.read_text(encoding='utf-8')))
    return frozenset(words)
