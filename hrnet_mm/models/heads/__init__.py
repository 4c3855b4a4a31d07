"""Layers of the two heads that no OpenMMLab library has, in plain PyTorch.

`hrnet_mm.drop_in.mmdet.heads` and `hrnet_mm.drop_in.mmpose.heads` build the heads from them.
"""

from .higher import higher_layers, higher_outputs
from .triplet import CascadeCornerPool, CenterPool, Peaks, draw_gaussian, find_peaks, match_triplets

__all__ = [
    'CascadeCornerPool',
    'CenterPool',
    'Peaks',
    'draw_gaussian',
    'find_peaks',
    'higher_layers',
    'higher_outputs',
    'match_triplets',
]
