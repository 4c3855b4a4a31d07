"""Warnings of the OpenMMLab libraries about their own code, which no user of a command can act on."""

import warnings

__all__ = ['ignore_library_warnings']

_LIBRARIES = r'(mmcv|mmdet|mmengine|mmpose|mmpretrain|mmseg|pkg_resources|torchvision|xtcocotools)\b'
_OF_AGE = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, SyntaxWarning)


def ignore_library_warnings() -> None:
    """Leave out what the libraries warn of because they were written for older versions of what they use."""
    for category in _OF_AGE:
        warnings.filterwarnings('ignore', category=category, module=_LIBRARIES)
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
