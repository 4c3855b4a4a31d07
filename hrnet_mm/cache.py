"""The folder for what can be made again."""

import os
from pathlib import Path

__all__ = ['cache_folder']


def cache_folder() -> Path:
    """Return the folder for what can be made again: HRNET_MM_CACHE, or hrnet_mm in the system's cache folder."""
    if given := os.environ.get('HRNET_MM_CACHE'):
        return Path(given)
    system = os.environ.get('XDG_CACHE_HOME') or os.environ.get('LOCALAPPDATA') or Path.home() / '.cache'
    return Path(system) / 'hrnet_mm'
