"""The registries that let `type='hrnet_mm.HRNet'` build in the scope of any OpenMMLab library, with no import line."""

from collections.abc import Mapping
from typing import Any

from mmengine.registry import HOOKS as _ROOT_HOOKS
from mmengine.registry import MODELS as _ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as _ROOT_OPTIM_WRAPPERS
from mmengine.registry import RUNNERS as _ROOT_RUNNERS
from mmengine.registry import Registry

__all__ = ['HOOKS', 'MODELS', 'OPTIM_WRAPPERS', 'RUNNERS', 'class_of', 'scope_of', 'type_name']

MODELS = Registry('model', parent=_ROOT_MODELS, scope='hrnet_mm', locations=['hrnet_mm.models'])
HOOKS = Registry('hook', parent=_ROOT_HOOKS, scope='hrnet_mm', locations=['hrnet_mm.engine'])
RUNNERS = Registry('runner', parent=_ROOT_RUNNERS, scope='hrnet_mm', locations=['hrnet_mm.engine'])
OPTIM_WRAPPERS = Registry('optim wrapper', parent=_ROOT_OPTIM_WRAPPERS, scope='hrnet_mm', locations=['hrnet_mm.engine'])


def class_of(settings: Mapping[str, Any], registry: Registry) -> Any:
    """The class or function that a registry would call for a config dict; None for an unknown name or none at all.

    A type is a name in old-style configs and the class itself in new-style ones, and `_scope_`, which mmengine adds to
    what a config inherits from an installed library, says where the name is looked up.
    """
    kind = settings.get('type')
    if not isinstance(kind, str):
        return kind
    with registry.switch_scope_and_registry(settings.get('_scope_')) as scoped:
        return scoped.get(kind)


def type_name(settings: Mapping[str, Any]) -> str:
    """The name of a config dict's type without its scope, whether the config gives a name or a class."""
    kind = settings.get('type', '')
    return kind.rpartition('.')[-1] if isinstance(kind, str) else str(kind.__name__)


def scope_of(config: Mapping[str, Any]) -> str:
    """The library that a config is for: its default scope or, as new-style configs leave that out, its model's."""
    model = config.get('model') or {}
    kind = model.get('type', '')
    module = kind if isinstance(kind, str) else f'{kind.__module__}.'
    return str(config.get('default_scope') or model.get('_scope_') or module.rpartition('.')[0].partition('.')[0])
