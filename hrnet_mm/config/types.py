"""Types of a config, looked up in the registries as mmengine does."""

import importlib
import importlib.util
from collections.abc import Collection
from functools import cache
from typing import Any

from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

__all__ = ['LIBRARIES', 'find_type', 'has_registries', 'registered_names', 'root_of', 'type_names']

LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain', 'mmengine', 'mmcv', 'hrnet_mm')


def find_type(name: str, scope: str) -> dict[Any, Registry | None]:
    """What is registered under a name, with the root registry of each; else the operator or import."""
    prefix, _, last = name.rpartition('.')
    if not prefix or has_registries(prefix):
        for registries in (_registries(prefix or scope), _registries('mmengine')):
            found = [(_registered(registry, last), root_of(registry)) for registry in registries]
            if any(owner is not None for owner, _ in found):
                return {owner: root for owner, root in found if owner is not None}
    if prefix:
        try:
            imported = get_object_from_string(name)
        except ImportError:
            return {}
        return {} if imported is None else {imported: None}
    return {_operators()[name]: None} if name in _operators() else {}


@cache
def _operators() -> dict[str, Any]:
    """The operators of mmcv, which no registry holds; mmcv itself is optional."""
    if importlib.util.find_spec('mmcv') is None:
        return {}
    module = importlib.import_module('mmcv.ops')
    return {name: getattr(module, name) for name in module.__all__}


def _registered(registry: Registry, name: str) -> Any:
    current: Registry | None = registry
    while current is not None:
        current.import_from_location()
        if name in current.module_dict:
            return current.module_dict[name]
        current = current.parent
    return None


def root_of(registry: Registry) -> Registry:
    """The registry of mmengine that holds the same kind of things."""
    while registry.parent is not None:
        registry = registry.parent
    return registry


@cache
def has_registries(package: str) -> bool:
    """Whether a package is a scope of types."""
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


def type_names(name: str, scope: str, registries: Collection[Registry]) -> set[str]:
    """What a type might be called instead of `name`: what some registries hold if there are any, or all of them."""
    prefix = name.rpartition('.')[0]
    if prefix:
        scopes = [prefix] if has_registries(prefix) else [scope]
        libraries = [prefix] if has_registries(prefix) else LIBRARIES
        return {
            f'{library}.{known}' for library in libraries for package in scopes for known in registered_names(package)
        }
    roots = {root_of(registry) for registry in registries}
    of_kind = {
        known
        for registry in (*_registries(scope), *_registries('mmengine'))
        if root_of(registry) in roots
        for known in registry.module_dict
    }
    return of_kind or {*registered_names(scope), *_operators()}


@cache
def registered_names(scope: str) -> list[str]:
    """The names that are registered in a library, and in mmengine."""
    names: set[str] = set()
    for registry in (*_registries(scope), *_registries('mmengine')):
        registry.import_from_location()
        names.update(registry.module_dict)
    return sorted(names)
