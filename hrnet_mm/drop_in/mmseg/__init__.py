"""HRNet, HRNetV2Head, CocoSegDataset and the official protocol in mmseg's registries, with mmseg's defaults."""

from typing import Any

import mmseg.models  # noqa: F401  # mmseg registers its own class first; the other order breaks its import for good
from mmseg.registry import MODELS

from ... import models
from . import dataset, heads, official  # noqa: F401  # each registers its parts

__all__ = ['HRNet']


@MODELS.register_module(force=True)
class HRNet(models.HRNet):
    """HRNet whose exchange units enlarge bilinearly, as segmentation checkpoints were trained."""

    def __init__(self, extra: Any = None, arch: Any = None, fuse_upsample: str = 'bilinear', **kwargs: Any) -> None:
        super().__init__(arch, extra, fuse_upsample=fuse_upsample, **kwargs)
