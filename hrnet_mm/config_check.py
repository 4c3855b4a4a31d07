"""The check of an OpenMMLab config before anything is built: keys, types, contradictions, missing files.

Every `type` is looked up as mmengine would, and every key compared with what the class, or the code that reads the
dict, takes. Where that cannot be told, a key is not judged.
"""

import difflib
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry
from mmengine.runner import Runner
from mmengine.utils import get_object_from_string
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from .config_schemas import Argument, Schema, arguments_of, parameter_of, settings_of
from .contradictions import contradictions, dicts
from .missing_data import missing_files

__all__ = ['check_config', 'config_problems', 'quick_reading', 'registered_names']

_LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain', 'mmengine', 'mmcv', 'hrnet_mm')
_VARIABLES = ('custom_imports', 'default_scope', 'runner_type', 'train_pipeline', 'val_pipeline', 'test_pipeline')
"""Names at the top level, besides what a Runner takes, for which another name may be a misspelling."""

_READ_BY_METHODS = {
    # The sections that a Runner hands to its loops, which hand them back to these methods: name and parameter.
    '_dataloader': ('build_dataloader', 'dataloader'),
    '_evaluator': ('build_evaluator', 'evaluator'),
}
_READ_FROM_CONFIG = ('activation_checkpointing', 'compile', 'efficient_conv_bn_eval', 'model_wrapper_cfg')
_OF_TESTS = ('tta_model', 'tta_pipeline')

_HOOKS = ('checkpoint', 'logger', 'param_scheduler', 'runtime_info', 'sampler_seed', 'timer', 'visualization')
_UNREAD = {
    # Keys, by the dict that holds them, which the libraries' own configs set but no code reads any more.
    'stage1': ('num_branches', 'num_modules'),
}

_FOREIGN = ('metainfo', 'Albu.transforms', 'Albumentation.transforms', 'Albumentations.transforms')
"""Parameters, some of one class, whose values use the names of something else."""

_COMPLETE = ('data_prefix', 'dist_cfg')
"""Parameters that code also passes through as a whole, but from which nothing is read besides the keys seen."""

_CLIPPING = {'norm': clip_grad_norm_, 'value': clip_grad_value_}

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
    scope = config.get('default_scope') or 'mmengine'
    if importlib.util.find_spec(scope) is None:
        return [f'default_scope: no library is called {scope!r}{_hint(scope, _LIBRARIES)}']
    with DefaultScope.overwrite_default_scope(scope):
        return _Checker(config, scope).problems


def _misspelt_section(name: str, config: Config, settings: set[str]) -> str | None:
    """The setting that a top-level name was meant to be; None if it is one, or a variable."""
    known = {*settings, *_VARIABLES}
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


@contextmanager
def quick_reading() -> Iterator[None]:
    """Remembers where `library::path` bases are; mmengine reads all metafiles of the library for each of them."""
    try:
        Config._get_cfg_path = staticmethod(
            lambda base, file: _external_path(base) if '::' in base else _find_base(base, file)
        )
        yield
    finally:
        Config._get_cfg_path = staticmethod(_find_base)


_find_base: Callable[[str, str], tuple[str, str | None]] = Config._get_cfg_path


@cache
def _external_path(base: str) -> tuple[str, str | None]:
    return _find_base(base, '')


class _Checker:
    """Walks the sections of a config; what is wrong with them gathers in `problems`."""

    def __init__(self, config: Config, scope: str) -> None:
        self.scope = scope
        self.problems: list[str] = []
        runner = next(iter(self._owners(config.get('runner_type', 'Runner'))), Runner)
        sections = {**arguments_of(runner).keys, **dict.fromkeys(_OF_TESTS, Schema(is_open=True))}
        sections |= {name: sections['cfg'].keys[name] for name in _READ_FROM_CONFIG if name in sections['cfg'].keys}
        for name in sections:
            for ending, (method, parameter) in _READ_BY_METHODS.items():
                if name.endswith(ending):
                    sections[name] = parameter_of(runner, method, parameter)
        for model in self._owners((config.get('model') or {}).get('type')):
            sections['data_preprocessor'] = arguments_of(model).keys.get('data_preprocessor', Schema(is_open=True))
        for name in config:
            if close := _misspelt_section(name, config, set(sections)):
                self.problems.append(f'{name}: no such setting; did you mean {close!r}?')
        for name, schema in sections.items():
            self._walk(name, config.get(name), schema)

    def _walk(self, where: str, value: Any, schema: Schema, owner: Any = Runner) -> None:
        """Check every dict at or below `value`, which is an argument of `owner` and goes where `schema` says."""
        if isinstance(value, list | tuple):
            for i, item in enumerate(value):
                self._walk(f'{where}[{i}]', item, schema, owner)
        elif isinstance(value, Mapping):
            outer, self.scope = self.scope, value.get('_scope_') or self.scope
            self._walk_dict(where, value, schema, owner)
            self.scope = outer

    def _walk_dict(self, where: str, value: Mapping[str, Any], schema: Schema, owner: Any) -> None:
        kind = value.get('type')
        built = self._built(schema, value) if kind is None else self._owners(kind, schema)
        if kind is not None and not built and (schema.registries or _is_of_library(owner)):
            self.problems.append(f'{where}: nothing is called {kind!r}{_hint(str(kind), registered_names(self.scope))}')
            return
        takers = [arguments_of(found) for found in built]
        takers += [arguments_of(inner) for taker in takers for inner in self._built(taker, value)]
        parts = [*takers, schema]
        if '_delete_' in value:
            self.problems.append(f'{where}._delete_: no base has a dict here that it could replace; remove the key')
        if where == 'default_hooks' or '.custom_keys.' in where:  # further names are arbitrary
            known = set(_HOOKS) if where == 'default_hooks' else set(schema.keys)
            close = {key for key in set(value) - known if difflib.get_close_matches(str(key), known, 1, 0.8)}
            self._report(where, close, known)
        elif not any(part.open or part.rest for part in takers or parts):
            unknown = {key for key in value if not any(key in taker.keys for taker in takers)}
            if unknown := unknown - {'type', '_scope_', '_delete_'} - set(schema.keys):
                self._report(where, unknown, {name for part in parts for name in part.keys})
        for key, item in value.items():
            if isinstance(item, Mapping | list | tuple):
                inner = self._schema_of(key, value, parts, built[0] if built else owner)
                if inner is not None:
                    self._walk(f'{where}.{key}', item, inner, built[0] if built else owner)

    def _schema_of(self, key: str, value: Mapping[str, Any], parts: list[Schema], owner: Any) -> Schema | None:
        """Where the value of a key goes; None if it is not to be looked at."""
        if key in _FOREIGN or f'{getattr(owner, "__name__", "")}.{key}' in _FOREIGN:
            return None
        if key == 'clip_grad' and isinstance(value[key], Mapping):
            clip = _CLIPPING.get(value[key].get('type', 'norm'))
            return Schema(is_open=True) if clip is None else arguments_of(clip).with_keys('type')
        if key == 'paramwise_cfg':
            constructors = self._owners(value.get('constructor', 'DefaultOptimWrapperConstructor'))
            parts = [arguments_of(constructor) for constructor in constructors]
        if key in ('train_cfg', 'test_cfg') and 'type' in value and isinstance(owner, type):
            settings = self._settings(key, value, owner)
            return settings.with_keys('debug', 'nms_post') if settings.keys else Schema(is_open=True)
        schemas = [schema for part in parts for schema in (part.keys.get(key), part.rest) if schema is not None]
        schema = schemas[0] if schemas else Schema(is_open=True)
        schema = schema.with_keys(*_UNREAD[key]) if key in _UNREAD else schema
        if parts[-1].recurs and not (isinstance(value[key], Mapping) and 'type' in value[key]):
            return schema.united(parts[-1])
        return schema.complete() if key in _COMPLETE else schema

    def _settings(self, key: str, value: Mapping[str, Any], owner: type) -> Schema:
        """The schema of a model's train_cfg or test_cfg, which its parts hand on to one another."""
        kinds = [
            part['type']
            for part in dicts({name: part for name, part in value.items() if name != key})
            if 'type' in part
        ]
        owners = dict.fromkeys(part for kind in kinds for part in self._owners(kind) if isinstance(part, type))
        pattern = re.compile(rf'(rcnn_|semi_)?({key[:-3]}|proposal_)?cfg')
        return settings_of((owner, *owners), pattern.fullmatch)

    def _report(self, where: str, unknown: Iterable[Any], known: Iterable[str]) -> None:
        for key in sorted(key for key in unknown if isinstance(key, str)):
            self.problems.append(f'{where}.{key}: no such key{_hint(key, known)}')

    def _built(self, schema: Schema, value: Mapping[str, Any]) -> list[Any]:
        """What a dict without a `type` is for: the default, or what another of its keys names."""
        kinds = [value.get(kind.name, kind.default) if isinstance(kind, Argument) else kind for kind in schema.defaults]
        return [owner for kind in kinds for owner in self._owners(kind, schema)]

    def _owners(self, kind: Any, schema: Schema | None = None) -> list[Any]:
        """What a type stands for: one thing, or more if several registries know the name and none is preferred."""
        if not isinstance(kind, str):
            return [kind] if callable(kind) else []
        found = _named(kind, self.scope)
        if len(found) > 1 and schema is not None:
            roots = {_root(registry) for registry in schema.registries}
            found = {owner: registry for owner, registry in found.items() if registry in roots} or found
        return list(found)


def _is_of_library(owner: Any) -> bool:
    return getattr(owner, '__module__', '').partition('.')[0] in _LIBRARIES


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean {close[0]!r}?' if close else ''


def _named(name: str, scope: str) -> dict[Any, Registry | None]:
    """What is registered under a name, with the root registry of each; else what it imports."""
    prefix, _, last = name.rpartition('.')
    if not prefix or _has_registries(prefix):
        for registries in (_registries(prefix or scope), _registries('mmengine')):
            found = {_registered(registry, last): _root(registry) for registry in registries}
            found.pop(None, None)
            if found:
                return found
    if prefix:
        try:
            return {get_object_from_string(name): None}
        except ImportError:
            return {}
    if importlib.util.find_spec('mmcv') is not None and name in vars(importlib.import_module('mmcv.ops')):
        return {vars(importlib.import_module('mmcv.ops'))[name]: None}
    return {}


def _registered(registry: Registry, name: str) -> Any:
    current: Registry | None = registry
    while current is not None:
        current.import_from_location()
        if name in current.module_dict:
            return current.module_dict[name]
        current = current.parent
    return None


def _root(registry: Registry) -> Registry:
    while registry.parent is not None:
        registry = registry.parent
    return registry


@cache
def _has_registries(package: str) -> bool:
    return (
        '.' not in package
        and importlib.util.find_spec(package) is not None
        and importlib.util.find_spec(f'{package}.registry') is not None
    )


@cache
def _registries(package: str) -> list[Registry]:
    return [
        value for value in vars(importlib.import_module(f'{package}.registry')).values() if isinstance(value, Registry)
    ]


@cache
def registered_names(scope: str) -> list[str]:
    """The names that are registered in a library, and in mmengine."""
    names: set[str] = set()
    for registry in (*_registries(scope), *_registries('mmengine')):
        registry.import_from_location()
        names.update(registry.module_dict)
    return sorted(names)
