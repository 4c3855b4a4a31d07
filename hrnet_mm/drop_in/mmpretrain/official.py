"""ResNets of basic blocks that the paper compares with HRNet-C, built from mmpretrain's layers.

Wang et al., TPAMI 2020, appendix A. The authors released no code for them; parameters and MACs equal the published
numbers.
"""

from typing import Any

import mmpretrain.models  # noqa: F401  # mmpretrain must register its own classes first
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from mmpretrain.models.backbones.resnet import BasicBlock, Bottleneck, ResLayer
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ...errors import UserError
from ...models.layers import conv_norm

__all__ = ['ComparisonResNet']

_BLOCKS = {38: (4, 6, 3), 72: (4, 23, 3), 106: (8, 36, 3)}
_INIT = [
    {'type': 'Kaiming', 'layer': ['Conv2d']},
    {'type': 'Constant', 'val': 1, 'layer': ['_BatchNorm', 'GroupNorm']},
]


@MODELS.register_module()
class ComparisonResNet(BaseBackbone):
    """ResNet-38, -72 or -106: HRNet's stem, 3 bottlenecks, three stages of basic blocks and a last bottleneck.

    Args:
        depth: 38, 72 or 106.
        init_cfg: The config of the initialization. Default: Kaiming.

    Raises:
        UserError: The depth is another number.
    """

    def __init__(self, depth: int, init_cfg: Any = None) -> None:
        super().__init__(init_cfg or _INIT)
        if depth not in _BLOCKS:
            raise UserError(f'depth must be one of {", ".join(map(str, _BLOCKS))}, got {depth!r}')
        norm: dict[str, Any] = {'type': 'BN'}
        self.stem = nn.Sequential(
            conv_norm(3, 64, 3, 2, None, norm, relu=True), conv_norm(64, 64, 3, 2, None, norm, relu=True)
        )
        widths = (256, 128, 256, 512)
        self.stages = nn.Sequential(
            ResLayer(Bottleneck, 3, 64, 256),
            *(ResLayer(BasicBlock, n, widths[i], widths[i + 1], stride=2) for i, n in enumerate(_BLOCKS[depth])),
            ResLayer(Bottleneck, 1, 512, 2048),
        )

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map `(N, 3, H, W)` to a tuple of one map `(N, 2048, H/32, W/32)`."""
        return (self.stages(self.stem(x)),)
