"""Registries of the scope `hrnet_mm`: any OpenMMLab library builds `type='hrnet_mm.HRNet'` without an import line."""

from collections.abc import Mapping
from typing import Any

from mmengine.registry import FUNCTIONS as _ROOT_FUNCTIONS
from mmengine.registry import HOOKS as _ROOT_HOOKS
from mmengine.registry import MODELS as _ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as _ROOT_OPTIM_WRAPPERS
from mmengine.registry import RUNNERS as _ROOT_RUNNERS
from mmengine.registry import TRANSFORMS as _ROOT_TRANSFORMS
from mmengine.registry import Registry

__all__ = [
    'FUNCTIONS',
    'HOOKS',
    'MODELS',
    'OPTIM_WRAPPERS',
    'RUNNERS',
    'TRANSFORMS',
    'class_of',
    'scope_of',
    'type_name',
]

# The second location checks what is loaded into networks with these parts.
MODELS = Registry(
    'model', parent=_ROOT_MODELS, scope='hrnet_mm', locations=['hrnet_mm.models.network', 'hrnet_mm.drop_in']
)
HOOKS = Registry('hook', parent=_ROOT_HOOKS, scope='hrnet_mm', locations=['hrnet_mm.engine', 'hrnet_mm.fast'])
RUNNERS = Registry('runner', parent=_ROOT_RUNNERS, scope='hrnet_mm', locations=['hrnet_mm.engine'])
OPTIM_WRAPPERS = Registry('optim wrapper', parent=_ROOT_OPTIM_WRAPPERS, scope='hrnet_mm', locations=['hrnet_mm.engine'])
TRANSFORMS = Registry('transform', parent=_ROOT_TRANSFORMS, scope='hrnet_mm', locations=['hrnet_mm.engine'])
FUNCTIONS = Registry('function', parent=_ROOT_FUNCTIONS, scope='hrnet_mm', locations=['hrnet_mm.engine'])


def class_of(settings: Mapping[str, Any], registry: Registry) -> Any:
    """Return the class or function that a registry would call for a config dict.

    The type is a name in old-style configs and the class itself in new-style ones. The key `_scope_`, which mmengine
    adds to settings inherited from an installed library, selects the registry.

    Args:
        settings: The config dict.
        registry: The root registry of its kind, such as mmengine's MODELS.

    Returns:
        The class or function; None for an unknown name or a dict without a type.
    """
    kind = settings.get('type')
    if not isinstance(kind, str):
        return kind
    with registry.switch_scope_and_registry(settings.get('_scope_')) as scoped:
        return scoped.get(kind)


def type_name(settings: Mapping[str, Any]) -> str:
    """Return the name of a config dict's type without its scope.

    Args:
        settings: The config dict, whose type is a name or a class.

    Returns:
        The bare name; empty for a dict without a type.

    Examples:
        >>> type_name({'type': 'mmpose.HRNet'})
        'HRNet'
    """
    kind = settings.get('type', '')
    return kind.rpartition('.')[-1] if isinstance(kind, str) else str(getattr(kind, '__name__', kind))


def scope_of(config: Mapping[str, Any]) -> str:
    """Return the library that a config is written for.

    New-style configs have no default scope; the module of the model's class names their library.

    Args:
        config: The whole config.

    Returns:
        The scope, such as 'mmpose'; empty where nothing names one.

    Examples:
        >>> scope_of({'model': {'type': 'mmseg.EncoderDecoder'}})
        'mmseg'
    """
    model = config.get('model') or {}
    kind = model.get('type', '')
    module = kind if isinstance(kind, str) else f'{kind.__module__}.'
    return str(config.get('default_scope') or model.get('_scope_') or module.rpartition('.')[0].partition('.')[0])
