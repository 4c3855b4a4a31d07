"""The demonstration data: two small sets of real, labelled images taken out of packages of the Python package index."""

from .digits import prepare_digits
from .nuclei import prepare_nuclei

__all__ = ['prepare_digits', 'prepare_nuclei']
