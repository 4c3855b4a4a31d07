"""The user's own labelled images: one reader a format, one form in memory, split and content checks."""

from .content import Folder
from .layouts import fitting_tasks, read_folder

__all__ = ['Folder', 'fitting_tasks', 'read_folder']
