"""Warnings of the OpenMMLab libraries about their own code, which no user of a command can act on."""

import warnings

__all__ = ['ignore_library_warnings']

_LIBRARIES = r'(mmcv|mmdet|mmengine|mmpose|mmpretrain|mmseg|pkg_resources|torchvision|xtcocotools)\b'
_OF_AGE = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, SyntaxWarning)

_MESSAGES = (
    'pkg_resources is deprecated',
    'torch.meshgrid',  # mmdet's point generators
    '``build_loss`` would be deprecated soon',  # mmseg calls it itself
    'Default ``avg_non_ignore`` is False',  # of a loss, which no command but train computes
    'For binary segmentation, we suggest',
    r'The metainfo config file "configs/_base_/datasets/\w+.py" does not exist',  # mmpose finds its own
)


def ignore_library_warnings() -> None:
    """Leave out what the libraries warn of because they were written for older versions of what they use."""
    for category in _OF_AGE:
        warnings.filterwarnings('ignore', category=category, module=_LIBRARIES)
    for message in _MESSAGES:
        warnings.filterwarnings('ignore', message)
