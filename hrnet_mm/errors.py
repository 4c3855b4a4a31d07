"""Errors of the user, and helpers for their messages."""

import difflib
from collections.abc import Iterable

__all__ = ['UserError', 'did_you_mean']


class UserError(ValueError):
    """A mistake of the user, told in one sentence: what was given and what is allowed.

    A command prints it without a traceback and exits with 2.
    """


def did_you_mean(name: object, allowed: Iterable[str]) -> str:
    """The end of an error message: the allowed name that is nearest to a mistyped one, and all of them."""
    names = list(allowed)
    match = difflib.get_close_matches(str(name), names, n=1)
    return (f'; did you mean {match[0]!r}?' if match else '.') + f' Allowed: {", ".join(names)}'
