"""Check of an OpenMMLab config before anything is built: keys, types, contradictions and missing files.

Every `type` is looked up as in mmengine, and every key is compared with those that the class, or the code that reads
the dict, accepts. If these cannot be determined, a key is not judged.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from mmengine.config import Config
from mmengine.registry import RUNNERS, DefaultScope, Registry
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from ..registry import scope_of
from .arguments import argument_problems
from .consistency import contradictions, dicts
from .files import missing_files
from .packing import packing_problems
from .schemas import Argument, Schema, arguments_of, parameter_of, settings_of
from .structure import structure_problems
from .types import LIBRARIES, find_type, has_registries, registered_names, root_of, type_names

__all__ = ['check_config', 'config_problems', 'registered_names']

_VARIABLES = ('custom_imports', 'default_scope', 'runner_type', 'train_pipeline', 'val_pipeline', 'test_pipeline')
"""Known names at the top level besides a Runner's arguments."""

_READ_BY_METHODS = {
    # Runner methods, with the parameter, that read a section; by the end of the section's name.
    '_dataloader': ('build_dataloader', 'dataloader'),
    '_evaluator': ('build_evaluator', 'evaluator'),
    'optim_wrapper': ('build_optim_wrapper', 'optim_wrapper'),
    'auto_scale_lr': ('scale_lr', 'auto_scale_lr'),  # a custom Runner's `train` need not call it
}
_READ_FROM_CONFIG = ('activation_checkpointing', 'compile', 'efficient_conv_bn_eval', 'model_wrapper_cfg')
_OF_TESTS = ('tta_model', 'tta_pipeline')

_FOREIGN = ('metainfo', 'Albu.bbox_params', 'Albu.transforms', 'Albumentations.transforms')
"""Parameters, some of one class, whose values use names of another package."""

_NEAR = 0.85
"""Similarity, from 0 to 1, from which an arbitrary name counts as a misspelling of a known one."""
_FREE = {
    # Dicts with arbitrary keys, of which only misspellings are reported; and keys that no source shows to be read.
    'custom_keys[]': (),
    'data_prefix': (),
    'default_hooks': (
        *('checkpoint', 'logger', 'param_scheduler', 'runtime_info', 'sampler_seed', 'timer', 'visualization'),
    ),
    'dist_cfg': ('backend',),
    'extra': ('stage1', 'stage2', 'stage3', 'stage4'),
    'filter_cfg': (),
    'paramwise_cfg': (),
}
_TAKEN_OUT = {
    # Keys that are removed without a source that shows it, by the parameter that holds them.
    'dcn': ('fallback_on_stride',),
    'norm_cfg': ('requires_grad',),
    'param_scheduler': ('convert_to_iter_based',),
}
_UNREAD = {
    # Keys that the libraries' own configs set even for models that do not read them.
    'train_cfg': ('allowed_border', 'assigner', 'debug', 'mask_size', 'nms_post', 'pos_weight', 'sampler'),
    'test_cfg': (
        'align_corners',
        'flip_mode',
        'mask_thr_binary',
        'min_bbox_size',
        'nms_post',
        'score_thr',
        'shift_coords',
        'shift_heatmap',
    ),
}
_STAGE = ('block', 'num_blocks', 'num_branches', 'num_channels', 'num_modules')
"""Keys that configs set for every stage in HRNet's `extra`, although some are not read."""
_CLIPPING = {'norm': clip_grad_norm_, 'value': clip_grad_value_}

_NEEDED = {
    True: ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'),
    False: ('model', 'test_dataloader', 'test_cfg', 'test_evaluator'),
}


def config_problems(config: Config, training: bool, on_cpu: bool, processes: int = 1) -> list[str]:
    """Return the mistakes of a config that would stop a training or test, or invalidate its result.

    These are the results of `check_config`, missing sections, contradictory settings, and missing files.

    Args:
        config: The config.
        training: Whether it is for training; otherwise for a test.
        on_cpu: Whether there is no GPU.
        processes: The number of processes that run together.

    Returns:
        One sentence for each mistake, beginning with the place in the config.
    """
    absent = [f'{name}: missing from the config' for name in _NEEDED[training] if config.get(name) is None]
    validation = ('val_dataloader', 'val_cfg', 'val_evaluator')
    has = [name for name in validation if config.get(name) is not None]
    if training and has and len(has) < len(validation):
        absent += [f'{name}: missing, although the config has {has[0]}' for name in validation if name not in has]
    if misplaced := structure_problems(config):
        return misplaced + absent  # the rest could not be read
    loaders = ('train_dataloader', 'val_dataloader') if training else ('test_dataloader',)
    absent += [
        f'{loader}.{name}: missing; mmengine needs it'
        for loader in loaders
        for name in ('dataset', 'sampler')
        if config.get(loader) is not None and config[loader].get(name) is None
    ]
    problems = [*check_config(config), *absent]
    try:
        return [
            *problems,
            *argument_problems(config),
            *packing_problems(config),
            *contradictions(config, training, on_cpu, processes),
            *missing_files(config, loaders),
        ]
    except Exception:
        if not problems:  # which may be why the rest cannot be read
            raise
        return problems


def check_config(config: Config) -> list[str]:
    """Check every key and type of a config.

    Args:
        config: The config.

    Returns:
        One sentence for each unknown key or type, with the nearest known one; empty if there are none.

    Examples:
        >>> config = Config(dict(default_scope='hrnet_mm', model=dict(type='HRNet', arch='w32', norm_evl=True)))
        >>> check_config(config)
        ["model.norm_evl: no such key; did you mean 'norm_eval'?"]
    """
    scope = scope_of(config) or 'mmengine'
    if not has_registries(scope):
        return [f'default_scope: unknown library {scope!r}{_hint(scope, LIBRARIES)}']
    with DefaultScope.overwrite_default_scope(scope):
        return _Checker(config, scope).problems


def _misspelled_section(name: str, config: Config, settings: set[str]) -> str | None:
    """Return the setting that a top-level name is a misspelling of; None if it is a setting or a variable."""
    known = {*settings, *_READ_FROM_CONFIG, *_OF_TESTS, *_VARIABLES}
    if name in known:
        return None
    if re.search(rf'\b{re.escape(name)}\b(?!\s*=[^=])', config.text):
        return None  # a variable that the config reads
    if nearest := difflib.get_close_matches(name, known, n=1, cutoff=0.9):
        return nearest[0]
    # A dumped config has no _base_ and no longer reads its variables, so only missing settings are candidates.
    candidates = settings if '_base_' in config.text else settings - set(config)
    nearest = difflib.get_close_matches(name, candidates, n=1, cutoff=0.75)
    return nearest[0] if nearest else None


class _Checker:
    """Walk over the sections of a config, which collects `problems`."""

    def __init__(self, config: Config, scope: str) -> None:
        self.scope = scope
        self.problems: list[str] = []
        kind = config.get('runner_type', 'Runner')
        runner = next(iter(self._owners(kind)), Runner)
        if not self._owners(kind):
            names = type_names(kind, scope, [RUNNERS])
            self.problems.append(f'runner_type: unknown type {kind!r}{_hint(kind, names)}')
        sections = {**arguments_of(runner).keys, **dict.fromkeys(_OF_TESTS, Schema())}
        sections |= {name: sections['cfg'].keys[name] for name in _READ_FROM_CONFIG if name in sections['cfg'].keys}
        for name in sections:
            for ending, (method, parameter) in _READ_BY_METHODS.items():
                if name.endswith(ending):
                    sections[name] = parameter_of(runner if hasattr(runner, method) else Runner, method, parameter)
        for model in self._owners((config.get('model') or {}).get('type')):
            sections['data_preprocessor'] = arguments_of(model).keys.get('data_preprocessor', Schema())
        for name in config:
            if callable(config[name]):  # imported by a new-style config
                continue
            if close := _misspelled_section(name, config, set(arguments_of(runner).keys)):
                self.problems.append(f'{name}: no such setting; did you mean {close!r}?')
        for name, schema in sections.items():
            self._walk(name, name, config.get(name), schema)

    def _walk(self, where: str, name: str, value: Any, schema: Schema | None, owner: Any = Runner) -> None:
        """Check every dict at or below `value`, the argument `name` of `owner`, which `schema` describes."""
        if isinstance(value, list | tuple):
            for i, item in enumerate(value):
                self._walk(f'{where}[{i}]', name, item, schema, owner)
        elif isinstance(value, Mapping):
            outer, scope = self.scope, value.get('_scope_') or self.scope
            if not has_registries(scope):
                self.problems.append(f'{where}._scope_: unknown library {scope!r}{_hint(scope, LIBRARIES)}')
                return
            self.scope = scope
            self._walk_dict(where, name, value, schema, owner)
            self.scope = outer

    def _walk_dict(self, where: str, name: str, value: Mapping[str, Any], place: Schema | None, owner: Any) -> None:
        schema = place or Schema(is_open=True)
        kind = value.get('type')
        if kind is None and where == 'train_cfg' and 'by_epoch' in value:
            built = [EpochBasedTrainLoop if value['by_epoch'] else IterBasedTrainLoop]
        else:
            built = self._built(schema, value) if kind is None else self._owners(kind, schema)
        is_traced = place is not None and (_is_of_library(owner) or not schema.open)
        if kind is not None and not built:
            self._report_type(where, str(kind), schema, place is not None and _is_of_library(owner))
            return
        takers = [arguments_of(found) for found in built]
        inner = [self._built(taker, value) for taker in takers if taker.defaults]
        takers += [arguments_of(found) for group in inner for found in group]
        parts = [*takers, schema]
        if '_delete_' in value:
            self.problems.append(f'{where}._delete_: no base config has a dict here to replace; remove the key')
        known = {'type', '_scope_', '_delete_'}.union(
            schema.taken if takers else schema.keys, *(t.keys for t in takers)
        )
        known.update(_FREE.get(name, ()), _TAKEN_OUT.get(name, ()))
        unknown = {key for key in value if isinstance(key, str)} - known
        judging = takers or [schema]
        is_open = any(part.open or part.rest for part in judging) or not all(inner)
        is_free = name in _FREE or (schema.registries and not takers)  # its builder adds the type
        if is_open and not is_free:
            unknown = set()
        elif is_free or any(part.drops for part in judging) or (takers and not is_traced):
            folded = [str(key).lower() for key in known]
            unknown = {key for key in unknown if difflib.get_close_matches(key.lower(), folded, n=1, cutoff=_NEAR)}
        self._report(where, unknown, known - {'_scope_', '_delete_'})
        owner = built[0] if built else owner
        for key, item in value.items():
            if isinstance(item, Mapping | list | tuple) and not _is_foreign(key, owner):
                below = 'custom_keys[]' if name == 'custom_keys' else key
                self._walk(f'{where}.{key}', below, item, self._schema_of(name, key, value, parts, owner), owner)

    def _schema_of(
        self, name: str, key: str, value: Mapping[str, Any], parts: list[Schema], owner: Any
    ) -> Schema | None:
        """Return the schema of the value of a key in the dict `name`; None if it is unknown."""
        if key == 'clip_grad' and isinstance(value[key], Mapping):
            clip = _CLIPPING.get(value[key].get('type', 'norm'))
            return arguments_of(clip).with_keys('type') if clip else None
        if key in ('optimizer', 'paramwise_cfg') and name == 'optim_wrapper':
            constructors = self._owners(value.get('constructor', 'DefaultOptimWrapperConstructor'))
            parts = [arguments_of(constructor) for constructor in constructors]
            parts += [part.keys['optim_wrapper_cfg'] for part in parts if 'optim_wrapper_cfg' in part.keys]
        if key in _UNREAD and 'type' in value and isinstance(owner, type):
            return self._settings(key, value, owner)
        schemas = [schema for part in parts for schema in (part.keys.get(key), part.rest) if schema is not None]
        if not schemas:
            return None
        if re.fullmatch(r'stage\d', str(key)):
            stages = [part.keys[f'stage{i}'] for part in parts for i in range(1, 5) if f'stage{i}' in part.keys]
            return reduce(Schema.united, stages or schemas).complete().with_keys(*_STAGE)
        is_built = isinstance(value[key], Mapping) and 'type' in value[key]
        return schemas[0].united(parts[-1]) if parts[-1].recurs and not is_built else schemas[0]

    def _settings(self, key: str, value: Mapping[str, Any], owner: type) -> Schema | None:
        """Return the schema of a model's train_cfg or test_cfg, which its submodules pass on to one another."""
        kinds = [part['type'] for name in value if name != key for part in dicts(value[name]) if 'type' in part]
        owners = dict.fromkeys(part for kind in kinds for part in self._owners(kind) if isinstance(part, type))
        settings = settings_of((owner, *owners), re.compile(rf'(rcnn_|semi_)?({key[:-3]}|proposal_)?cfg').fullmatch)
        if self.scope == 'mmpretrain' and key == 'train_cfg':  # classifiers pass it to their preprocessor
            for preprocessor in self._owners('ClsDataPreprocessor'):
                settings = settings.united(arguments_of(preprocessor).keys['batch_augments']).complete()
        return settings.with_keys(*_UNREAD[key]) if settings.keys else None

    def _report_type(self, where: str, kind: str, schema: Schema, is_to_be_built: bool) -> None:
        """Report an unknown type, unless `type` may mean something else there."""
        registries = _building(schema)
        is_sure = registries or (is_to_be_built and 'type' not in schema.keys)
        hint = _hint(kind, type_names(kind, self.scope, registries), 0.6 if is_sure else _NEAR)
        if hint or is_sure:
            self.problems.append(f'{where}: unknown type {kind!r}{hint}')

    def _report(self, where: str, unknown: Iterable[str], known: Iterable[str]) -> None:
        for key in sorted(unknown):
            self.problems.append(f'{where}.{key}: no such key{_hint(key, known)}')

    def _built(self, schema: Schema, value: Mapping[str, Any]) -> list[Any]:
        """Return the classes of a dict without a `type`: the default, or those that another key names."""
        kinds = [value.get(kind.name, kind.default) if isinstance(kind, Argument) else kind for kind in schema.defaults]
        return [owner for kind in kinds for owner in self._owners(kind, schema)]

    def _owners(self, kind: Any, schema: Schema | None = None) -> list[Any]:
        """Return the class or function of a type; several if several registries know the name and none is preferred."""
        if not isinstance(kind, str):
            return [kind] if callable(kind) else []
        found = find_type(kind, self.scope)
        if schema is not None and (registries := _building(schema)):
            roots = {root_of(registry) for registry in registries}
            preferred = {owner: root for owner, root in found.items() if root in roots}
            found = preferred if preferred or None not in found.values() else found
        return list(found)


def _building(schema: Schema) -> list[Registry]:
    """Return the registries that build a dict, or that its `type` is looked up in."""
    kind = schema.keys.get('type')
    return [*schema.registries, *(kind.registries if kind else ())]


def _is_foreign(key: str, owner: Any) -> bool:
    return key in _FOREIGN or f'{getattr(owner, "__name__", "")}.{key}' in _FOREIGN


def _is_of_library(owner: Any) -> bool:
    return getattr(owner, '__module__', '').partition('.')[0] in LIBRARIES


def _hint(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f'; did you mean {close[0]!r}?' if close else ''
