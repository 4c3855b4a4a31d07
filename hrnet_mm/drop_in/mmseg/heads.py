"""mmseg head `type='HRNetV2Head'`: FCNHead on HRNet's branches, with fewer multiply-adds.

`hrnet_mm.drop_in.mmseg` registers it.
"""

from collections.abc import Sequence
from typing import Any

import mmseg.models  # noqa: F401  # mmseg must register its own classes first
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...errors import UserError
from ...models.layers import StreamMix
from ...registry import MODELS as OWN_MODELS

__all__ = ['HRNetV2Head']

_NEEDED = {'num_convs': 1, 'kernel_size': 1, 'concat_input': False, 'input_transform': 'resize_concat'}


@OWN_MODELS.register_module()
@MODELS.register_module()
class HRNetV2Head(FCNHead):
    """mmseg's FCNHead with one 1x1 convolution, which is applied to each branch at its own resolution.

    FCNHead upsamples and concatenates the branches first, which needs eight times the multiply-adds for the same result
    up
    to rounding. Parameter names are FCNHead's, so that checkpoints of one load into the other. Source:
    HRNet-Semantic-Segmentation `lib/models/seg_hrnet.py`, `last_layer`.

    Args:
        in_channels: Channels of each branch, finest first.
        channels: Channels of the 1x1 convolution.
        num_convs: 1.
        kernel_size: 1.
        concat_input: False.
        input_transform: 'resize_concat'.
        **kwargs: Other arguments of FCNHead.

    Raises:
        UserError: An argument has a value for which the two heads would differ.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        num_convs: int = 1,
        kernel_size: int = 1,
        concat_input: bool = False,
        input_transform: str = 'resize_concat',
        **kwargs: Any,
    ) -> None:
        given = {
            'num_convs': num_convs,
            'kernel_size': kernel_size,
            'concat_input': concat_input,
            'input_transform': input_transform,
        }
        for name, value in given.items():
            if value != _NEEDED[name]:
                raise UserError(f"HRNetV2Head needs {name}={_NEEDED[name]!r}, got {value!r}; use type='FCNHead'")
        kwargs.setdefault('in_index', tuple(range(len(in_channels))))
        super().__init__(in_channels=in_channels, channels=channels, **given, **kwargs)
        self.convs: nn.Sequential = nn.Sequential(StreamMix(self.convs[0].named_children(), self.align_corners))

    def _transform_inputs(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the branches unchanged; they are resized after the convolution."""
        return [inputs[i] for i in self.in_index]
