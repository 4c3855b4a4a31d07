"""The folder of the shipped configs."""

from pathlib import Path

__all__ = ['configs_folder']

_PACKAGE = Path(__file__).parents[1]


def configs_folder() -> Path:
    """Return the folder of the configs, which is beside the package in a checkout and inside it in a wheel.

    Raises:
        FileNotFoundError: It is in neither place.
    """
    for folder in (_PACKAGE.parent / 'configs', _PACKAGE / '.mim' / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise FileNotFoundError(f'no configs beside or inside {_PACKAGE}; install the package or work in its checkout')
