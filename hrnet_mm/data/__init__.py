"""The demonstration data: two small sets of real, labelled images taken out of packages of the Python package index."""

from hrnet_mm.data.digits import prepare_digits
from hrnet_mm.data.nuclei import prepare_nuclei

__all__ = ['prepare_digits', 'prepare_nuclei']
