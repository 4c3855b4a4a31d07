"""Values in a config that cannot be what their arguments are for, by annotations and defaults of the classes."""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_type_hints

from ..registry import scope_of
from .types import find_type, has_registries

__all__ = ['argument_problems']

_SIZES = ('crop_size', 'heatmap_size', 'img_scale', 'input_size', 'output_size', 'scale', 'size')
"""Arguments of pipelines, codecs and layers that are one number, a pair, or a list of pairs."""

_COUNTS = {
    'DeltaXYWHBBoxCoder': {'target_means': 4, 'target_stds': 4},
    'LegacyDeltaXYWHBBoxCoder': {'target_means': 4, 'target_stds': 4},
}
"""Numbers of values, by class and argument, which it and its subclasses compare only when they compute."""

_KINDS = {bool: 'True or False', float: 'a number', int: 'a number', str: 'a text'}


def argument_problems(config: Mapping[str, Any]) -> list[str]:
    """Return arguments of another kind than their class takes, and sizes that are none.

    Args:
        config: The config, whose structure and types are right.

    Returns:
        One sentence for each, beginning with the place.
    """
    scope = scope_of(config) or 'mmengine'
    if not has_registries(scope):
        return []
    problems = [
        f'{where}: {value!r:.60}; expected {kind}' for where, value, kind in _misfits('', dict(config.items()), scope)
    ]
    return list(dict.fromkeys(problems))


def _misfits(where: str, part: Any, scope: str) -> Iterator[tuple[str, Any, str]]:
    """Yield the place, the value and what is needed, for each argument of a known class that is of another kind."""
    if isinstance(part, list | tuple):
        for i, value in enumerate(part):
            yield from _misfits(f'{where}[{i}]', value, scope)
    if not isinstance(part, Mapping):
        return
    scope = part.get('_scope_') or scope
    kind = part.get('type')
    owners = [one for one in find_type(kind, scope) if isinstance(one, type)] if isinstance(kind, str) else []
    kinds = _kinds(owners[0]) if len(owners) == 1 else {}
    bases = owners[0].__mro__ if len(owners) == 1 else ()
    counts = next((_COUNTS[base.__name__] for base in bases if base.__name__ in _COUNTS), {})
    for name, value in part.items():
        place = f'{where}.{name}' if where else str(name)
        if name in kinds and not _fits(value, *kinds[name]):
            yield place, value, _KINDS[kinds[name][0]]
        elif name in _SIZES and kind is not None and not _is_size(value):
            yield place, value, 'one size above 0, a pair of them, or a list of pairs'
        elif (count := counts.get(str(name))) and len(value) != count:
            yield place, value, f'{count} numbers'
        yield from _misfits(place, value, scope)


@cache
def _kinds(owner: type) -> dict[str, tuple[type, bool]]:
    """The arguments of a class that are simple values, and whether an annotation says so."""
    found: dict[str, tuple[type, bool]] = {}
    for base in reversed(owner.__mro__):
        if '__init__' not in vars(base):
            continue
        try:
            hints = get_type_hints(vars(base)['__init__'])
        except Exception:  # an annotation that only its author's checker can read
            hints = {}
        for name, parameter in inspect.signature(base).parameters.items():
            found.pop(name, None)
            if name in hints:
                if hints[name] in _KINDS and (parameter.default is parameter.empty or parameter.default is not None):
                    found[name] = hints[name], True
            elif type(parameter.default) in _KINDS:
                found[name] = type(parameter.default), False
    return found


def _fits(value: Any, kind: type, is_annotated: bool) -> bool:
    if value is None or callable(value):
        return True
    if isinstance(value, list | tuple):
        return not is_annotated or bool(value)  # annotations of a single value are often for several too
    if kind is bool:
        # Some name one of several ways in place of True.
        return isinstance(value, bool | str) or (isinstance(value, int | float) and value in (0, 1))
    if kind is str:  # such as 'dynamic', in whose place a number is allowed
        return not isinstance(value, Mapping) or not is_annotated
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_size(value: Any) -> bool:
    if isinstance(value, list | tuple):
        if all(isinstance(one, list | tuple) for one in value):
            return bool(value) and all(len(one) == 2 and all(map(_is_side, one)) for one in value)
        return len(value) == 2 and all(map(_is_side, value))
    return value is None or _is_side(value)


def _is_side(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and (value > 0 or value == -1)
