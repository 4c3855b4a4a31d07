"""HRNet, HRFPN and CenterNetTripletHead in mmdet's registry, with mmdet's defaults."""

from typing import Any

import mmdet.models  # noqa: F401  # mmdet registers its own classes first; the other order breaks its import for good
from mmdet.registry import MODELS

from ... import models
from . import heads  # noqa: F401  # registers CenterNetTripletHead

__all__ = ['HRNet']


@MODELS.register_module(force=True)
class HRNet(models.HRNet):
    """HRNet with batch norm statistics frozen in training (`norm_eval=True`), as mmdet's recipes need them.

    From random weights set `norm_eval=False`: without statistics activations grow until the loss is NaN.
    """

    def __init__(self, extra: Any = None, arch: Any = None, norm_eval: bool = True, **kwargs: Any) -> None:
        super().__init__(arch, extra, norm_eval=norm_eval, **kwargs)


MODELS.register_module(name='HRFPN', module=models.HRNetV2pFPN, force=True)
