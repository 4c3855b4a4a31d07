"""Rendered people and faces, on photographs."""

from .faces import prepare_faces
from .people import prepare_people

__all__ = ['prepare_faces', 'prepare_people']
