"""HRNet, HRFuseScales and ComparisonResNet in mmpretrain's registry, with mmpretrain's defaults."""

from typing import Any

import mmpretrain.models  # noqa: F401  # mmpretrain must register its own HRNet first: the other order breaks its import
from mmpretrain.models.backbones import hrnet as _hrnet
from mmpretrain.registry import MODELS

from ... import models
from . import official  # noqa: F401  # imported for its registration

__all__ = ['HRNet']


@MODELS.register_module(force=True)
class HRNet(models.HRNet):
    """HRNet with mmpretrain's default architecture 'w32'.

    Args:
        arch: The name of an architecture.
        extra: The architecture in mmpretrain's form, instead of `arch`.
        **kwargs: Arguments of `hrnet_mm.models.HRNet`.

    Raises:
        UserError: An argument is out of range.
    """

    arch_zoo = _hrnet.HRNet.arch_zoo
    """mmpretrain's architectures by name."""

    def __init__(self, arch: Any = None, extra: Any = None, **kwargs: Any) -> None:
        super().__init__('w32' if arch is extra is None else arch, extra, **kwargs)


MODELS.register_module(name='HRFuseScales', module=models.HRFuseScales, force=True)
