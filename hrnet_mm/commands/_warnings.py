"""Warnings of the OpenMMLab libraries about their own code, which users of a command cannot act on."""

import warnings

__all__ = ['ignore_library_warnings']

_LIBRARIES = r'(mmcv|mmdet|mmengine|mmpose|mmpretrain|mmseg|pkg_resources|torchvision|xtcocotools)\b'
_OF_AGE = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, SyntaxWarning)

_MESSAGES = (
    'pkg_resources is deprecated',
    'torch.meshgrid',  # mmdet's point generators
    '``build_loss`` would be deprecated soon',  # mmseg calls it itself
    'Default ``avg_non_ignore`` is False',  # about a loss, which only train computes
    'For binary segmentation, we suggest',
    r'The metainfo config file "configs/_base_/datasets/\w+.py" does not exist',  # mmpose then uses its own
)


def ignore_library_warnings() -> None:
    """Ignore the libraries' warnings that come from their age and from their own code."""
    for category in _OF_AGE:
        warnings.filterwarnings('ignore', category=category, module=_LIBRARIES)
    for message in _MESSAGES:
        warnings.filterwarnings('ignore', message)
