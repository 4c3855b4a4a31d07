"""Checks of annotations against themselves and their images, for a user's folder and for the files of a config."""

from ..images import Header, read_headers
from .coco import WHERE, Use, check_coco, check_structure, count_labels, read_json
from .coverage import check_coverage
from .data_lists import DataList, Labels, check_data_list, read_data_list
from .detections import check_detections
from .image_lists import Present, check_class_folders, check_images, check_list, read_names
from .label_images import check_label_sizes, check_label_values, label_values
from .report import DataError, Finding, Report, listed
from .shapes import run_lengths
from .voc import check_voc

__all__ = [
    'WHERE',
    'DataError',
    'DataList',
    'Finding',
    'Header',
    'Labels',
    'Present',
    'Report',
    'Use',
    'check_class_folders',
    'check_coco',
    'check_coverage',
    'check_data_list',
    'check_detections',
    'check_images',
    'check_label_sizes',
    'check_label_values',
    'check_list',
    'check_structure',
    'check_voc',
    'count_labels',
    'label_values',
    'listed',
    'read_data_list',
    'read_headers',
    'read_json',
    'read_names',
    'run_lengths',
]
