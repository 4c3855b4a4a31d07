"""HRNet as an encoder of segmentation_models_pytorch, whose decoders read maps of strides 2 to 32.

Requires `pip install segmentation_models_pytorch`.
"""

from collections.abc import Mapping
from typing import Any

from segmentation_models_pytorch.encoders import encoders
from segmentation_models_pytorch.encoders._base import EncoderMixin
from torch import Tensor, nn

from .errors import UserError
from .factory import create_model
from .models.archs import ARCHS

__all__ = ['HRNetEncoder', 'register']


class HRNetEncoder(nn.Module, EncoderMixin):
    """Encoder of segmentation_models_pytorch: the image, the map of the first convolution, and the branches.

    Args:
        arch: The name of an architecture.
        depth: The number of maps after the image, 1 to 5.
        output_stride: 32, the stride of the coarsest branch.
        pretrained: Weights of the backbone; see `create_model`.

    Raises:
        UserError: `output_stride` is another number.
    """

    def __init__(self, arch: str, depth: int = 5, output_stride: int = 32, pretrained: str | None = None) -> None:
        super().__init__()
        if output_stride != 32:
            raise UserError(
                f'output_stride={output_stride} asks for dilated strides; HRNet keeps the resolution in its branches, '
                'so leave it at 32 (as in Unet, FPN, UPerNet)'
            )
        name = f'hrnet_{arch}'
        features: Any = create_model(name, pretrained, features_only=True, out_indices=range(depth))
        self.features = features
        self._pretrained = pretrained is not None
        self._depth, self._in_channels, self._output_stride = depth, 3, output_stride
        self._out_channels = [3, *features.feature_info.channels()]

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Change the first convolution; pretrained weights are spread over its channels."""
        super().set_in_channels(in_channels, pretrained or self._pretrained)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps.

        Args:
            x: The images, `(N, in_channels, H, W)`.

        Returns:
            The images, and maps of strides 2, 4, 8, ... up to `depth`.
        """
        return [x, *self.features(x)]


def register(pretrained: Mapping[str, str] | None = None) -> list[str]:
    """Register an encoder for each architecture, for `encoder_name` of segmentation_models_pytorch.

    Args:
        pretrained: Weights of backbones by the encoders' names, such as `{'hrnet_w18': 'w18-imagenet'}`. The argument
            `encoder_weights` stays None: it stands for weights of segmentation_models_pytorch's own.

    Returns:
        The names.

    Raises:
        UserError: `pretrained` has a name of no encoder.
    """
    names = {f'hrnet_{arch}': arch for arch in ARCHS}
    weights = pretrained or {}
    if unknown := [name for name in weights if name not in names]:
        raise UserError(f'pretrained has {unknown[0]!r}, which is no encoder; allowed: {", ".join(names)}')
    for name, arch in names.items():
        params = {'arch': arch, 'pretrained': weights.get(name)}
        encoders[name] = {'encoder': HRNetEncoder, 'params': params, 'pretrained_settings': {}}
    return list(names)
