"""Warnings of OpenMMLab's libraries, which were written for older versions of what they use."""

import warnings

__all__ = ['ignore_library_warnings']

_LIBRARIES = ('mmcv', 'mmdet', 'mmengine', 'mmpose', 'mmpretrain', 'mmseg', 'torchvision', 'xtcocotools')


def ignore_library_warnings() -> None:
    """Hide what they warn of wherever they are imported or called; warnings of anything else are still shown."""
    for name in _LIBRARIES:
        warnings.filterwarnings('ignore', module=rf'{name}(\.|$)')
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
