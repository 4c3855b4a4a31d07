"""The main job, `hrnet-mm demo`: train, evaluate and draw three tasks on real images, or on a folder of one's own."""

from .command import add_demo_arguments, demo

__all__ = ['add_demo_arguments', 'demo']
