"""What error messages have in common."""

import difflib
from collections.abc import Iterable

__all__ = ['nearest']


def nearest(name: object, allowed: Iterable[str]) -> str:
    """The end of an error message: the allowed name that is nearest to a mistyped one, and all of them."""
    names = list(allowed)
    match = difflib.get_close_matches(str(name), names, n=1)
    return (f'; did you mean {match[0]!r}?' if match else '.') + f' Allowed: {", ".join(names)}'
