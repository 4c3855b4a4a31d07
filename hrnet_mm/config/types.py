"""Lookup of a config's types in the registries, as in mmengine."""

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
    """Return the classes and functions that a type may refer to.

    Args:
        name: The type, with or without a scope.
        scope: The default scope.

    Returns:
        Registered objects, each with its root registry; or one operator or import, with None; or an empty dict.
    """
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
    """Return the operators of mmcv, which are in no registry; mmcv is optional."""
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
    """Return mmengine's registry of the same kind."""
    while registry.parent is not None:
        registry = registry.parent
    return registry


@cache
def has_registries(package: str) -> bool:
    """Return whether a package is a scope of types."""
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
    """Return the candidates for a misspelled type.

    Args:
        name: The misspelled type.
        scope: The default scope.
        registries: The registries that it may be in; if empty, all.
    """
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
    """Return the names that are registered in a library and in mmengine.

    Args:
        scope: The library.

    Returns:
        The names without a scope, sorted.
    """
    names: set[str] = set()
    for registry in (*_registries(scope), *_registries('mmengine')):
        registry.import_from_location()
        names.update(registry.module_dict)
    return sorted(names)
