"""The user's own annotated images: one reader a format, one form in memory, split and content checks."""

from .content import Annotations, Folder
from .formats import FORMATS, check_folder, find_annotations, read_folder

__all__ = ['FORMATS', 'Annotations', 'Folder', 'check_folder', 'find_annotations', 'read_folder']
