"""The module `mmcv._ext` in Python: where each of its functions is, and which ones it refuses.

It imports nothing but the standard library until mmcv asks for a function.
"""

import importlib
import importlib.machinery
import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from ..errors import UserError

NAME = 'mmcv._ext'

# The functions that mmdet 3.3, mmseg 1.2, mmpose 1.3 and mmpretrain 1.2 can reach, by the file that holds them.
IMPLEMENTED = {
    'boxes': ('bbox_overlaps', 'nms', 'nms_match', 'softnms'),
    'carafe': ('carafe_backward', 'carafe_forward', 'carafe_naive_backward', 'carafe_naive_forward'),
    'deform_attention': ('ms_deform_attn_backward', 'ms_deform_attn_forward'),
    'deform_conv': (
        'deform_conv_backward_input',
        'deform_conv_backward_parameters',
        'deform_conv_forward',
        'modulated_deform_conv_backward',
        'modulated_deform_conv_forward',
    ),
    'focal_loss': (
        'sigmoid_focal_loss_backward',
        'sigmoid_focal_loss_forward',
        'softmax_focal_loss_backward',
        'softmax_focal_loss_forward',
    ),
    'masked_conv': ('masked_col2im_forward', 'masked_im2col_forward'),
    'psa_mask': ('psamask_backward', 'psamask_forward'),
    'roi': (
        'deform_roi_pool_backward',
        'deform_roi_pool_forward',
        'prroi_pool_backward',
        'prroi_pool_coor_backward',
        'prroi_pool_forward',
        'roi_align_backward',
        'roi_align_forward',
        'roi_pool_backward',
        'roi_pool_forward',
    ),
    'sync_bn': (
        'sync_bn_backward_data',
        'sync_bn_backward_param',
        'sync_bn_forward_mean',
        'sync_bn_forward_output',
        'sync_bn_forward_var',
    ),
    'version': ('get_compiler_version', 'get_compiling_cuda_version'),
}

# The others, by what needs them.
REFUSED = {
    'rotated boxes (mmrotate)': (
        'active_rotated_filter_backward',
        'active_rotated_filter_forward',
        'box_iou_quadri',
        'box_iou_rotated',
        'chamfer_distance_backward',
        'chamfer_distance_forward',
        'convex_giou',
        'convex_iou',
        'diff_iou_rotated_sort_vertices_forward',
        'min_area_polygons',
        'nms_quadri',
        'nms_rotated',
        'points_in_polygons_forward',
        'riroi_align_rotated_backward',
        'riroi_align_rotated_forward',
        'roi_align_rotated_backward',
        'roi_align_rotated_forward',
        'rotated_feature_align_backward',
        'rotated_feature_align_forward',
    ),
    '3-D detection (mmdet3d)': (
        'assign_score_withk_backward',
        'assign_score_withk_forward',
        'ball_query_forward',
        'dynamic_point_to_voxel_backward',
        'dynamic_point_to_voxel_forward',
        'dynamic_voxelize_forward',
        'fused_indice_conv_forward',
        'furthest_point_sampling_forward',
        'furthest_point_sampling_with_dist_forward',
        'gather_points_backward',
        'gather_points_forward',
        'get_indice_pairs_2d_backward',
        'get_indice_pairs_2d_forward',
        'get_indice_pairs_3d_backward',
        'get_indice_pairs_3d_forward',
        'get_indice_pairs_4d_forward',
        'group_points_backward',
        'group_points_forward',
        'hard_voxelize_forward',
        'indice_conv_backward',
        'indice_conv_forward',
        'indice_maxpool_backward',
        'indice_maxpool_forward',
        'iou3d_boxes_overlap_bev_forward',
        'iou3d_nms3d_forward',
        'iou3d_nms3d_normal_forward',
        'knn_forward',
        'points_in_boxes_all_forward',
        'points_in_boxes_cpu_forward',
        'points_in_boxes_part_forward',
        'roiaware_pool3d_backward',
        'roiaware_pool3d_forward',
        'roipoint_pool3d_forward',
        'stack_ball_query_forward',
        'stack_group_points_backward',
        'stack_group_points_forward',
        'three_interpolate_backward',
        'three_interpolate_forward',
        'three_nn_forward',
    ),
    'border detection (BorderDet)': ('border_align_backward', 'border_align_forward'),
    'image generation (mmagic)': (
        'bias_act',
        'filtered_lrelu',
        'filtered_lrelu_act_',
        'fused_bias_leakyrelu',
        'upfirdn2d',
    ),
    'optical flow (mmflow)': ('correlation_backward', 'correlation_forward'),
    'text detection (mmocr)': ('bezier_align_backward', 'bezier_align_forward', 'contour_expand', 'pixel_group'),
    'video recognition (mmaction2)': ('tin_shift_backward', 'tin_shift_forward'),
}

_FILES = {name: file for file, names in IMPLEMENTED.items() for name in names}
_USES = {name: use for use, names in REFUSED.items() for name in names}


def create_module() -> ModuleType:
    """Create a module with every function of `mmcv._ext`, each looked up when it is asked for."""
    module = ModuleType(NAME, 'The operators of mmcv in Python.')
    module.__file__ = __file__
    module.__spec__ = importlib.machinery.ModuleSpec(NAME, None, origin=__file__)
    module.__dict__['__getattr__'] = _function
    module.__dict__['__dir__'] = lambda: sorted([*_FILES, *_USES])
    return module


def is_compiled() -> bool:
    """Whether the installed mmcv has its compiled operators; found without importing mmcv, which imports torch."""
    mmcv = importlib.util.find_spec('mmcv')
    return (
        mmcv is not None and importlib.machinery.PathFinder.find_spec(NAME, mmcv.submodule_search_locations) is not None
    )


def _function(name: str) -> Callable[..., Any]:
    if name in _FILES:
        return getattr(importlib.import_module(f'hrnet_mm.ops.{_FILES[name]}'), name)
    if name in _USES:
        return _refusal(name)
    raise AttributeError(f'module {NAME!r} has no attribute {name!r}')


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise UserError(
            f"mmcv's operator {name!r}, which {_USES[name]} needs, exists only in compiled mmcv, and this mmcv is not "
            'compiled; replace it with `pip uninstall mmcv-lite` and `pip install --no-build-isolation mmcv==2.1.0`, '
            'which needs a C++ compiler and compiles for several minutes.'
        )

    refuse.__name__ = name
    return refuse
