"""HRNet, HigherHRHead and the official pose and face protocols in mmpose's registries, with mmpose's defaults."""

from collections.abc import Mapping
from typing import Any

import mmpose.models  # noqa: F401  # mmpose must register its own HRNet first: the other order breaks its import
from mmpose.registry import MODELS

from ... import models
from . import (  # noqa: F401  # imported for their registrations
    bottom_up,
    deeplabcut,
    dekr,
    heads,
    official,
    visualizer,
)

__all__ = ['HRNet']


@MODELS.register_module(force=True)
class HRNet(models.HRNet):
    """HRNet with the finest map as its output, unless `multiscale_output` is set here or in `extra['stage4']`.

    mmpose's heads read the last of several maps, so they need this default.

    Args:
        extra: The architecture in mmpose's form; `extra['upsample']` has the mode and align_corners of exchange units.
        arch: The name of an architecture, instead of `extra`.
        **kwargs: Arguments of `hrnet_mm.models.HRNet`.

    Raises:
        UserError: An argument is out of range.
    """

    def __init__(self, extra: Mapping[str, Any] | None = None, arch: Any = None, **kwargs: Any) -> None:
        if kwargs.get('pretrained') is None:
            kwargs.setdefault('init_cfg', _INIT)
        kwargs.setdefault('multiscale_output', False)
        if extra is not None:
            extra = dict(extra)
            if upsample := extra.pop('upsample', None):
                kwargs['fuse_upsample'] = upsample['mode']
                kwargs['align_corners'] = bool(upsample.get('align_corners'))
            if 'multiscale_output' in extra.get('stage4', {}):
                extra['stage4'] = dict(extra['stage4'])
                kwargs['multiscale_output'] = extra['stage4'].pop('multiscale_output')
        super().__init__(arch, extra, **kwargs)
        self.upsample_cfg = {'mode': self.fuse_upsample, 'align_corners': self.align_corners or None}


_INIT = [
    {'type': 'Normal', 'std': 0.001, 'layer': ['Conv2d']},
    {'type': 'Constant', 'val': 1, 'layer': ['_BatchNorm', 'GroupNorm']},
]
