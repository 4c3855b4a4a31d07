"""The main job, `hrnet-mm demo`: train, evaluate and draw five tasks, or those that a folder of one's own allows."""

from .command import add_demo_arguments, demo
from .own import add_folder_arguments, train_folder

__all__ = ['add_demo_arguments', 'add_folder_arguments', 'demo', 'train_folder']
