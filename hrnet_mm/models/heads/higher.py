"""Output layers of HigherHRNet: heatmaps and tags at 1/4 of the input, and heatmaps at 1/2.

Cheng et al., "HigherHRNet: Scale-Aware Representation Learning for Bottom-Up Human Pose Estimation", CVPR 2020,
figure 2. Parameter names are the official checkpoints' (HigherHRNet-Human-Pose-Estimation).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layers import BasicBlock

__all__ = ['higher_layers', 'higher_outputs']


def higher_layers(
    in_channels: int, num_keypoints: int, num_tags: int, deconv_channels: Sequence[int], num_blocks: int = 4
) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Return the official `final_layers` and `deconv_layers`.

    Args:
        in_channels: Channels of the feature map.
        num_keypoints: The number of heatmaps.
        num_tags: The number of tag maps, at the coarsest resolution.
        deconv_channels: Channels of each deconvolution; each adds a resolution.
        num_blocks: Residual blocks after each deconvolution.
    """
    final_layers = [nn.Conv2d(in_channels, num_keypoints + num_tags, 1)]
    deconv_layers = []
    for channels in deconv_channels:
        given = in_channels + final_layers[-1].out_channels  # features, concatenated with their predictions
        up = nn.Sequential(
            nn.ConvTranspose2d(given, channels, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        blocks = [nn.Sequential(BasicBlock(channels, channels, None, {'type': 'BN'})) for _ in range(num_blocks)]
        deconv_layers.append(nn.Sequential(up, *blocks))
        final_layers.append(nn.Conv2d(channels, num_keypoints, 1))
        in_channels = channels
    return nn.ModuleList(final_layers), nn.ModuleList(deconv_layers)


def higher_outputs(x: Tensor, final_layers: nn.ModuleList, deconv_layers: nn.ModuleList) -> list[Tensor]:
    """Compute HigherHRNet's heatmaps and tags.

    Args:
        x: The features, `(N, in_channels, H, W)`.
        final_layers: From `higher_layers`.
        deconv_layers: From `higher_layers`.

    Returns:
        `(N, keypoints + tags, H, W)`, then `(N, keypoints, 2H, 2W)` and so on.
    """
    outputs = [final_layers[0](x)]
    for deconv, final in zip(deconv_layers, final_layers[1:], strict=True):
        x = deconv(torch.cat([x, outputs[-1]], dim=1))
        outputs.append(final(x))
    return outputs
