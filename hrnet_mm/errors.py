"""The error of user mistakes, and helpers for error messages."""

import difflib
from collections.abc import Iterable

__all__ = ['ArgumentError', 'UserError', 'did_you_mean']


class UserError(ValueError):
    """A mistake of the user, described in one sentence: what was given, what is allowed and what to do.

    The command line prints it without a traceback and exits with code 2.
    """


class ArgumentError(UserError, AssertionError):
    """A mistake in the arguments of a network, for which OpenMMLab's classes raise an AssertionError."""


def did_you_mean(name: object, allowed: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name: the nearest allowed name, then all of them.

    Args:
        name: The unknown name.
        allowed: The names that exist.

    Returns:
        Text that follows the name directly and ends without a period.

    Examples:
        >>> 'unknown task ' + did_you_mean('poses', ['pose', 'faces'])
        "unknown task ; did you mean 'pose'? Allowed: pose, faces"
    """
    names = list(allowed)
    match = difflib.get_close_matches(str(name), names, n=1)
    return (f'; did you mean {match[0]!r}?' if match else '.') + f' Allowed: {", ".join(names)}'
