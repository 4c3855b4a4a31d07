"""A folder of the user's own labelled images: what it may look like, and how a demo config is changed for it."""

from .adapt import adapt
from .content import Folder
from .layouts import fitting_tasks, read_folder

__all__ = ['Folder', 'adapt', 'fitting_tasks', 'read_folder']
