"""Calibration of scores: probabilities that come true, and regions that hold keypoints as often as they say."""

from .probabilities import apply_platt, apply_temperature, calibration_error, fit_platt, fit_temperature
from .radii import fit_radii, radii_of

__all__ = [
    'apply_platt',
    'apply_temperature',
    'calibration_error',
    'fit_platt',
    'fit_radii',
    'fit_temperature',
    'radii_of',
]
