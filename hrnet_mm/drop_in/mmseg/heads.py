"""mmseg's `type='HRNetV2Head'`: FCNHead on HRNet's streams, with fewer multiply-adds.

`hrnet_mm.drop_in.mmseg` registers it.
"""

from collections.abc import Sequence
from typing import Any

import mmseg.models  # noqa: F401  # mmseg registers its own parts first
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
    """mmseg's FCNHead of one 1x1 convolution, applied to each stream at its own resolution.

    FCNHead enlarges and concatenates the streams first, with eight times the multiply-adds and the same result to
    rounding. Arguments and parameter names are FCNHead's: a checkpoint of one loads into the other.

    Raises ValueError for arguments of an FCNHead that does something else.
    Source: HRNet-Semantic-Segmentation `lib/models/seg_hrnet.py`, whose `last_layer` FCNHead is.
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
        """The streams as they are: what FCNHead does here follows the convolution."""
        return [inputs[i] for i in self.in_index]
