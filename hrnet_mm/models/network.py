"""Whole networks: HRNet with the readout and head of a task, with OpenMMLab's parameter names."""

from collections import OrderedDict
from copy import deepcopy
from typing import Any

from mmengine.model import initialize
from torch import Tensor, nn

from ..errors import UserError, did_you_mean
from .features import FeatureInfo
from .hrnet import DEFAULT_INIT, HRNet, Maps
from .layers import StreamMix
from .readouts import HRFuseScales, HRNetV1, HRNetV2, HRNetV2pFPN

__all__ = ['READOUTS', 'HRNetModel']

READOUTS = {'hrnet': HRNet, 'hrnetv1': HRNetV1, 'hrnetv2': HRNetV2, 'hrnetv2p': HRNet}
"""Classes of backbones by the first part of a network's name."""


class HRNetModel(nn.Module):
    """A whole network by name.

    'hrnet_w32' classifies, as in timm; 'hrnetv1_w32' returns heatmaps, 'hrnetv2_w48' dense scores and 'hrnetv2p_w40' a
    feature pyramid.

    Args:
        name: A readout, an underscore and an architecture.
        num_classes: The number of classes, keypoints or landmarks; 0 for no head. Default: 1000 for 'hrnet', otherwise
            0.
        in_channels: The channels of the input.
        pyramid_channels: The channels of each map of 'hrnetv2p'.
        **kwargs: Arguments of `HRNet`. `fuse_upsample` is 'bilinear' by default for 'hrnetv2', as its checkpoints were
            trained, and 'nearest' otherwise.

    Attributes:
        out_channels: Channels of the maps that `forward_features` returns.
        strides: Their strides in pixels.

    Raises:
        UserError: The name or an argument is unknown.

    Examples:
        >>> import torch
        >>> model = HRNetModel('hrnetv2_test-w8', num_classes=19)
        >>> model(torch.zeros(1, 3, 64, 128)).shape
        torch.Size([1, 19, 16, 32])
    """

    def __init__(
        self,
        name: str,
        num_classes: int | None = None,
        in_channels: int = 3,
        pyramid_channels: int = 256,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        readout, _, arch = name.partition('_')
        if readout not in READOUTS or not arch:
            raise UserError(f'unknown model {name!r}{did_you_mean(readout, READOUTS)}, each followed by _ARCH (_w32)')
        self.name = name
        self.readout = readout
        self.in_channels = in_channels
        self.num_classes = (1000 if readout == 'hrnet' else 0) if num_classes is None else num_classes
        if self.num_classes < 0:
            raise UserError(f'num_classes must be 0 (no head) or more, got {num_classes}')
        if readout == 'hrnetv2':
            kwargs.setdefault('fuse_upsample', 'bilinear')
        # Underscores as in timm's names: hrnet_w18_small_v2.
        self.backbone = READOUTS[readout](arch=arch.replace('_', '-'), in_channels=in_channels, **kwargs)
        channels = self.backbone.out_channels
        self.neck: HRFuseScales | HRNetV2pFPN | None = None
        if readout == 'hrnet':
            self.neck = HRFuseScales(channels)
            channels = self.neck.out_channels
        elif readout == 'hrnetv2p':
            self.neck = HRNetV2pFPN(channels, pyramid_channels)
            channels = self.neck.out_channels
            if self.num_classes:
                raise UserError('hrnetv2p returns a pyramid for detectors and has no head; leave num_classes out')
        self.out_channels = channels
        self.strides = self.backbone.strides if self.neck is None else self.neck.strides
        self.head = _head(self.backbone, readout, channels[0], self.num_classes) if self.num_classes else None

    @property
    def feature_info(self) -> FeatureInfo:
        """The description of the maps of `forward_features` with the methods of timm's class; numbers from 1 on."""
        return FeatureInfo(self.out_channels, self.strides, 'backbone' if self.neck is None else 'neck')

    def init_weights(self) -> None:
        """Initialize all weights as the official classification code does (Kaiming)."""
        initialize(self, deepcopy(DEFAULT_INIT))  # not BaseModule's own, which logs every parameter

    def forward_features(self, x: Tensor) -> Maps:
        """Compute the maps of the readout, without the head.

        Args:
            x: The images, `(N, in_channels, H, W)`.

        Returns:
            A tuple of maps with `out_channels` and `strides`.
        """
        maps: Maps = self.backbone(x)
        return maps if self.neck is None else self.neck(maps)

    def forward(self, x: Tensor) -> Tensor | Maps:
        """Map an image to the output of the head, or of the readout if there is no head.

        Args:
            x: The images, `(N, in_channels, H, W)`.

        Returns:
            `(N, num_classes)` for 'hrnet', `(N, num_classes, H/4, W/4)` for 'hrnetv1' and 'hrnetv2'. Without a head,
            the pooled features `(N, 2048)` for 'hrnet' and a tuple of maps otherwise.
        """
        if self.head is not None and isinstance(self.backbone, HRNetV2):
            # The head mixes the branches without upsampling and concatenating them first.
            scores: Tensor = self.head(self.backbone.streams(x))
            return scores
        maps = self.forward_features(x)
        if self.readout == 'hrnet':
            pooled = maps[0].mean((2, 3))
            return pooled if self.head is None else self.head(pooled)
        return maps if self.head is None else self.head(maps[0])


def _head(backbone: HRNet, readout: str, channels: int, num_classes: int) -> nn.Sequential:
    if readout == 'hrnet':
        return nn.Sequential(OrderedDict(fc=nn.Linear(channels, num_classes)))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if readout == 'hrnetv2':
        mix: OrderedDict[str, nn.Module] = OrderedDict(
            conv=nn.Conv2d(channels, channels, 1, bias=False),
            bn=nn.BatchNorm2d(channels),
            activate=nn.ReLU(inplace=True),
        )
        layers['convs'] = nn.Sequential(StreamMix(mix.items(), backbone.align_corners))
    layers['final_layer'] = nn.Conv2d(channels, num_classes, 1)
    return nn.Sequential(layers)
