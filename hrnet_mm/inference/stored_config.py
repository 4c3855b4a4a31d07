"""Reading of the config in a checkpoint as data: a config is a program, and a checkpoint may have any author."""

import ast
import importlib
import re
from collections.abc import Mapping
from typing import Any

import mmcv.ops
from mmengine.config import Config
from torch import nn

from ..config.check import registered_names
from ..config.consistency import dicts
from ..errors import UserError
from ..registry import scope_of

__all__ = ['stored_config']

_LIBRARIES = ('hrnet_mm', 'mmdet', 'mmpose', 'mmpretrain', 'mmseg')
_USED = ('default_scope', 'model', 'data_preprocessor', 'preprocess_cfg', 'test_dataloader', 'visualizer')
_A_DATASET = 'configs/_base_/datasets/coco.py'


def stored_config(checkpoint: Any) -> Config | None:
    """Return the settings of the config in a checkpoint's `meta`: the model, the test data and the visualizer.

    Only literals are read, modules are imported only from this package, and a type must be a registered name or a layer
    of torch. mmengine would import and call anything else in the config.

    Args:
        checkpoint: The content of the file.

    Returns:
        The settings; None if the checkpoint has no config.

    Raises:
        UserError: The config contains anything else.
    """
    meta = (checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None) or {}
    text = meta.get('cfg', meta.get('config'))
    if not isinstance(text, str):
        return None
    try:
        settings = dict(_assignment(statement) for statement in ast.parse(text).body)
    except SyntaxError as error:
        raise _refusal(f'is not Python ({error})') from None
    config = Config({name: settings[name] for name in _USED if name in settings})
    library = scope_of(config)
    if library not in _LIBRARIES:
        raise _refusal(f'is for {library or "no library"!r}; expected one of {", ".join(_LIBRARIES)}')
    dataset = (config.get('test_dataloader') or {}).get('dataset')
    if dataset and meta.get('dataset_meta'):
        _drop_class_and_metadata(dataset)
    imports = (settings.get('custom_imports') or {}).get('imports', [])
    for name in [imports] if isinstance(imports, str) else imports:
        if str(name).startswith('hrnet_mm.'):  # types that other modules register are refused below
            importlib.import_module(name)
    for part in dicts(dict(config)):
        if isinstance(part, dict) and 'type' in part:
            part['type'] = _registered(str(part['type']), part.get('_scope_') or library)
        if not re.fullmatch(r'configs/_base_/datasets/\w+\.py', str(part.get('from_file', _A_DATASET))):
            raise _refusal(f'runs {part["from_file"]}')
    return config


def _drop_class_and_metadata(dataset: Any) -> None:
    """Drop the data set's class and metadata, which may be the author's own; the checkpoint has the metadata."""
    for name in ('type', 'metainfo'):
        dataset.pop(name, None)
    for inner in dataset.get('datasets') or [dataset.get('dataset')]:
        if inner:
            _drop_class_and_metadata(inner)


def _registered(kind: str, library: str) -> str:
    """Return the name under which a registry has a type.

    In new-style configs, mmengine stores the path of the class.
    """
    scope, _, name = kind.rpartition('.')
    if kind.startswith('torch.nn.') and isinstance(layer := vars(nn).get(name), type) and issubclass(layer, nn.Module):
        return f'torch.nn.{name}'
    scope = scope.partition('.')[0] or library
    is_of_the_root = scope in ('mmcv', 'mmengine')
    known = registered_names(library if is_of_the_root else scope) if scope in _LIBRARIES or is_of_the_root else []
    is_operator = name in mmcv.ops.__all__  # RoIAlign and nms, which no registry holds
    if name not in known and not (is_operator and known):
        raise _refusal(f'has the type {kind!r}, which is not registered')
    return name if is_of_the_root or '.' not in kind else f'{scope}.{name}'


def _refusal(reason: str) -> UserError:
    return UserError(
        f'the config inside the checkpoint {reason}, so it is not used: give the config that you trust, and '
        'the checkpoint as its weights'
    )


def _assignment(statement: ast.stmt) -> tuple[str, Any]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, _literal(value)
    raise _refusal(f'holds more than settings (line {statement.lineno})')


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items):
            return [_literal(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_literal(item) for item in items)
        case ast.Set(elts=items):
            return {_literal(item) for item in items}
        case ast.Dict(keys=keys, values=values):
            return {_literal(key): _literal(value) for key, value in zip(keys, values, strict=True) if key is not None}
        case ast.Call(func=ast.Name(id='dict'), args=[], keywords=keywords):
            result: dict[str, Any] = {}
            for keyword in keywords:  # mmengine writes keys that are not identifiers as **{...}
                value = _literal(keyword.value)
                result.update(value if keyword.arg is None else {keyword.arg: value})
            return result
    raise _refusal(f'holds more than settings (line {node.lineno})')
