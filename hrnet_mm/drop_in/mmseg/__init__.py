"""HRNet, HRNetV2Head, CocoSegDataset and the official protocol in mmseg's registries, with mmseg's defaults."""

from typing import Any

import mmseg.models  # noqa: F401  # mmseg must register its own HRNet first: the other order breaks its import
from mmseg.registry import MODELS

from ... import models
from . import dataset, heads, official  # noqa: F401  # imported for their registrations

__all__ = ['HRNet']


@MODELS.register_module(force=True)
class HRNet(models.HRNet):
    """HRNet with bilinear upsampling in its exchange units, as segmentation checkpoints were trained.

    Args:
        extra: The architecture in mmseg's form.
        arch: The name of an architecture, instead of `extra`.
        fuse_upsample: The interpolation in exchange units.
        **kwargs: Arguments of `hrnet_mm.models.HRNet`.

    Raises:
        UserError: An argument is out of range.
    """

    def __init__(self, extra: Any = None, arch: Any = None, fuse_upsample: str = 'bilinear', **kwargs: Any) -> None:
        super().__init__(arch, extra, fuse_upsample=fuse_upsample, **kwargs)
