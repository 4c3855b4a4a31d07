"""Checks of annotations against themselves and their images, for a user's folder and for the files of a config."""

from .coco import Use, check_coco, check_structure, count_labels, read_json
from .coverage import check_coverage
from .detections import check_detections
from .headers import Header, read_headers
from .image_lists import Present, check_class_folders, check_images, check_list
from .label_images import check_label_sizes, check_label_values, label_values
from .report import DataError, Finding, Report, listed

__all__ = [
    'DataError',
    'Finding',
    'Header',
    'Present',
    'Report',
    'Use',
    'check_class_folders',
    'check_coco',
    'check_coverage',
    'check_detections',
    'check_images',
    'check_label_sizes',
    'check_label_values',
    'check_list',
    'check_structure',
    'count_labels',
    'label_values',
    'listed',
    'read_headers',
    'read_json',
]
