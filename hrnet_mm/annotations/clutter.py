"""Files and folders that programs leave beside a user's data."""

from collections.abc import Iterable, Iterator
from pathlib import Path

_CLUTTER = {'$recycle.bin', '@eadir', '__macosx', '__pycache__', 'lost+found', 'system volume information'}


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden, or made by a system or an editor.

    Examples:
        >>> [is_clutter(name) for name in ('.ipynb_checkpoints', '__MACOSX', '._1.jpg', 'cat')]
        [True, True, True, False]
    """
    return name.startswith('.') or name.lower() in _CLUTTER


def without_clutter(folder: Path, files: Iterable[Path]) -> Iterator[Path]:
    """The files and folders of which no part below `folder` is clutter."""
    return (file for file in files if not any(is_clutter(part) for part in file.relative_to(folder).parts))
