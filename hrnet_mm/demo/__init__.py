"""The main job, `hrnet-mm demo`: train, evaluate and draw five tasks, or those that a folder of one's own allows."""

from .command import add_demo_arguments, demo

__all__ = ['add_demo_arguments', 'demo']
