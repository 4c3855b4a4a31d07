"""HRNet, HRFPN, CenterNetTripletHead and the official box arithmetic in mmdet's registry, with mmdet's defaults."""

from typing import Any

import mmdet.models  # noqa: F401  # mmdet must register its own HRNet first: the other order breaks its import
from mmdet.registry import MODELS

from ... import models
from . import heads, masks, official  # noqa: F401  # imported for their registration

__all__ = ['HRNet']


@MODELS.register_module(force=True)
class HRNet(models.HRNet):
    """HRNet whose batch norm uses its running statistics in training (`norm_eval=True`), as mmdet's recipes require.

    Set `norm_eval=False` to train from random weights: without running statistics, activations grow until the loss is
    NaN.

    Args:
        extra: The architecture in mmdet's form.
        arch: The name of an architecture, instead of `extra`.
        norm_eval: Whether batch norm uses its running statistics in training as well.
        **kwargs: Arguments of `hrnet_mm.models.HRNet`.

    Raises:
        UserError: An argument is out of range.
    """

    def __init__(self, extra: Any = None, arch: Any = None, norm_eval: bool = True, **kwargs: Any) -> None:
        super().__init__(arch, extra, norm_eval=norm_eval, **kwargs)


MODELS.register_module(name='HRFPN', module=models.HRNetV2pFPN, force=True)
