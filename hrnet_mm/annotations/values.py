"""Values of JSON: numbers, ids, sides, and their forms in sentences."""

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

__all__ = ['NUMBERS', 'are_numbers', 'by', 'hashable', 'is_id', 'is_side', 'short']

NUMBERS = {int, float}
_MOST = 1e15


def are_numbers(values: Any, count: int | None = None) -> TypeGuard[list[float]]:
    """Whether a list, which is not empty, holds finite numbers, and as many as `count`."""
    if not isinstance(values, list | tuple) or not values or (count is not None and len(values) != count):
        return False
    if not set(map(type, values)) <= NUMBERS:
        return False
    least, most = min(values), max(values)
    return bool(least > -_MOST and most < _MOST and math.isfinite(sum(values)))


def is_id(value: Any, texts: bool) -> bool:
    """Whether a value is a whole number, or a text where `texts` may be ids."""
    if type(value) is float:
        return value.is_integer()
    return type(value) is int or (texts and type(value) is str)


def is_side(value: Any) -> bool:
    """Whether a value can be the width or height of an image."""
    return type(value) in NUMBERS and 0 < value < 1e9 and value == int(value)


def hashable(value: Any) -> bool:
    """Whether a value of JSON can be looked up."""
    return isinstance(value, str | int | float | type(None))


def by(size: Sequence[Any]) -> str:
    """The form `width x height`."""
    return ' x '.join(f'{value:g}' if isinstance(value, int | float) else '?' for value in size)


def short(value: Any) -> str:
    """The beginning of a value."""
    text = repr(value)
    return text if len(text) < 100 else f'{text[:90]}...'
