"""Markers in configs: keys by which mmengine merges files and selects scopes, and which no constructor accepts."""

from collections.abc import MutableMapping
from typing import Any

from ._mmengine import content_of

__all__ = ['drop_markers']

_NOT_FROM_A_REGISTRY = (
    *('collate_fn', 'worker_init_fn'),  # mmengine
    *('conv_cfg', 'norm_cfg', 'upsample_cfg', 'nms', 'roi_layer'),  # mmcv, and mmdet
)
"""Dicts with a type that a library calls directly, with every other key as an argument."""


def drop_markers(config: Any) -> None:
    """Remove, in place, the markers that would reach a constructor.

    mmengine leaves a `_delete_` where the base has no such key, as inside a dict that is itself replaced. Registries
    remove `_scope_`, which mmengine adds to settings from an installed library's config; code that calls a function or
    class directly does not.

    Args:
        config: The config.
    """
    _drop(content_of(config), is_built_by_a_registry=False)


def _drop(part: Any, is_built_by_a_registry: bool) -> None:
    if isinstance(part, MutableMapping):
        part.pop('_delete_', None)
        if not is_built_by_a_registry:
            part.pop('_scope_', None)
        for key, value in part.items():
            typed = isinstance(value, MutableMapping) and 'type' in value
            _drop(value, typed and key not in _NOT_FROM_A_REGISTRY)
    elif isinstance(part, list | tuple):
        for value in part:
            _drop(value, isinstance(value, MutableMapping) and 'type' in value)
