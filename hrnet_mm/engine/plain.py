"""Conversion of a training checkpoint to tensors and built-in containers, and back.

mmengine pickles classes (HistoryBuffer), functions (of schedules) and numpy objects. torch's safe reader refuses them,
so that a run could not resume from its own files. Any program can read the converted content.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

__all__ = ['from_plain', 'to_plain']

_ARRAYS = 'numpy_arrays'
"""Key of the paths of tensors that were numpy arrays."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_MISSING = object()


def to_plain(checkpoint: dict[str, Any]) -> list[str]:
    """Convert a checkpoint in place to tensors and built-in containers.

    Arrays become tensors and logged histories dicts of two tensors; `from_plain` restores them. Functions in schedules
    are dropped without a report, because a schedule creates them when it is built from the config.

    Args:
        checkpoint: The checkpoint.

    Returns:
        The names and types of values that could not be converted and are left out.
    """
    walk = _Walk()
    for key, value in list(checkpoint.items()):
        checkpoint[key] = walk.plain(value, (key,))
    if walk.arrays:
        checkpoint[_ARRAYS] = walk.arrays
    return walk.left_out


def from_plain(checkpoint: dict[str, Any]) -> None:
    """Restore the arrays and histories of a checkpoint in place; one written by mmengine is unchanged.

    Args:
        checkpoint: A checkpoint after `to_plain`.
    """
    for path in checkpoint.pop(_ARRAYS, []):
        _to_array(checkpoint, path)
    scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
    for name, history in scalars.items():
        if isinstance(history, Mapping):
            values, counts = history['values'].numpy(), history['counts'].numpy()
            scalars[name] = HistoryBuffer(values, counts, history['max_length'])


def _to_array(value: Any, path: list[Any]) -> Any:
    if not path:
        return value.numpy()
    key, *rest = path
    if isinstance(value, tuple):
        return tuple(_to_array(item, rest) if index == key else item for index, item in enumerate(value))
    value[key] = _to_array(value[key], rest)
    return value


class _Walk:
    def __init__(self) -> None:
        self.arrays: list[list[Any]] = []
        self.left_out: list[str] = []

    def plain(self, value: Any, path: tuple[Any, ...]) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if isinstance(value, Tensor):
            return value if kind in (Tensor, torch.nn.Parameter) else value.as_subclass(Tensor)
        if isinstance(value, np.ndarray):
            return self._array(value, path)
        if isinstance(value, np.generic) and type(value.item()) in _PLAIN:
            return value.item()
        if isinstance(value, HistoryBuffer):
            values, counts = (torch.from_numpy(np.array(part)) for part in value.data)
            return {'values': values, 'counts': counts, 'max_length': value.max_length}
        if isinstance(value, PurePath):
            return str(value)
        for base in (int, float, str):  # enumerations and subclasses of str
            if isinstance(value, base):
                return base(value)
        if isinstance(value, Mapping):
            return self._mapping(value, path)
        if isinstance(value, list | tuple | deque | set | frozenset):
            items = [None if item is _MISSING else item for item in self._items(enumerate(value), path)]
            return tuple(items) if isinstance(value, tuple) else items
        if not (path[0] == 'param_schedulers' and callable(value)):
            self.left_out.append(f'{".".join(map(str, path))} ({kind.__module__}.{kind.__qualname__})')
        return _MISSING

    def _array(self, value: np.ndarray[Any, Any], path: tuple[Any, ...]) -> Any:
        try:
            tensor = torch.from_numpy(np.array(value))  # a copy: the original may be read-only
        except TypeError:  # strings, objects, or a number type that torch lacks
            return self.plain(value.tolist(), path)
        self.arrays.append(list(path))
        return tensor

    def _mapping(self, value: Mapping[Any, Any], path: tuple[Any, ...]) -> dict[Any, Any]:
        keys = [self.plain(key, (*path, 'key')) for key in value]
        kept = zip(keys, self._items(zip(keys, value.values(), strict=True), path), strict=True)
        result: dict[Any, Any] = OrderedDict() if isinstance(value, OrderedDict) else {}
        result.update((key, item) for key, item in kept if key is not _MISSING and item is not _MISSING)
        if isinstance(value, OrderedDict):
            vars(result).update(vars(value))  # state_dict() stores the versions of layers as an attribute
        return result

    def _items(self, items: Iterator[tuple[Any, Any]], path: tuple[Any, ...]) -> list[Any]:
        return [self.plain(item, (*path, key)) for key, item in items]
