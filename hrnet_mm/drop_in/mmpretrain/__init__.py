"""HRNet, HRFuseScales and ComparisonResNet in mmpretrain's registry, with mmpretrain's defaults."""

from typing import Any

import mmpretrain.models  # noqa: F401  # mmpretrain registers its own first; the other order breaks its import for good
from mmpretrain.registry import MODELS

from ... import models
from . import official  # noqa: F401  # registers ComparisonResNet

__all__ = ['HRNet']


@MODELS.register_module(force=True)
class HRNet(models.HRNet):
    """HRNet of arch 'w32' unless `arch` or `extra` says otherwise."""

    def __init__(self, arch: Any = None, extra: Any = None, **kwargs: Any) -> None:
        super().__init__('w32' if arch is extra is None else arch, extra, **kwargs)


MODELS.register_module(name='HRFuseScales', module=models.HRFuseScales, force=True)
