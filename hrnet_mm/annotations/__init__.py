"""Checks of annotations against themselves and their images, for a user's folder and for the files of a config."""

from .coco import Use, check_coco, check_structure, count_labels, read_json
from .coverage import check_coverage
from .headers import Header, read_headers
from .report import DataError, Finding, Report, listed

__all__ = [
    'DataError',
    'Finding',
    'Header',
    'Report',
    'Use',
    'check_coco',
    'check_coverage',
    'check_structure',
    'count_labels',
    'listed',
    'read_headers',
    'read_json',
]
