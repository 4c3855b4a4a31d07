"""How the libraries' classes read the files of a data set, and where these are."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ['base_of', 'follows_orientation', 'joined', 'reads_as', 'steps_of']


def base_of(owner: Any, kind: str) -> Any:
    """Return the class that a class inherits from, by LIBRARY.NAME; None if it does not."""
    library, _, name = kind.partition('.')
    bases = owner.__mro__ if isinstance(owner, type) else ()
    return next((base for base in bases if base.__name__ == name and base.__module__.startswith(f'{library}.')), None)


def reads_as(owner: Any, kind: str, *methods: str) -> bool:
    """Whether a class has `load_data_list`, and the other `methods`, from the class LIBRARY.NAME."""
    base = base_of(owner, kind)
    return base is not None and all(
        getattr(owner, name) is getattr(base, name) for name in ('load_data_list', *methods)
    )


def joined(root: Any, name: Any) -> Path:
    """The path of a name in a config below its `data_root`; either may be missing, or begin with `~`."""
    return Path(os.path.expanduser(root or ''), os.path.expanduser(name or ''))


def steps_of(dataset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the steps of a data set's pipeline."""
    return [step for step in dataset.get('pipeline') or () if isinstance(step, Mapping)]


def follows_orientation(dataset: Mapping[str, Any]) -> bool:
    """Whether the images of a data set are read as their EXIF orientation asks for."""
    return not any(step.get('color_type') in ('color_ignore_orientation', 'unchanged') for step in steps_of(dataset))
