"""What the tasks read out of HRNet's four streams: V1, V2, the V2p pyramid and the classification fusion.

Wang et al., TPAMI 2020, figure 4 and section 3.3; parameter names are OpenMMLab's.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import UserError, did_you_mean
from ..registry import MODELS
from .archs import Arch, get_arch
from .hrnet import DEFAULT_INIT, HRNet, Maps
from .layers import Bottleneck, Config, StreamMix, build_conv, build_norm, checkpointed, resize

__all__ = ['HRFuseScales', 'HRNetV1', 'HRNetV2', 'HRNetV2p', 'HRNetV2pFPN']


@MODELS.register_module()
class HRNetV1(HRNet):
    """The finest stream alone, `(N, C, H/4, W/4)`, as pose heads read it; arguments as HRNet."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.setdefault('multiscale_output', False):
            raise UserError("HRNetV1 gives the finest stream alone; for all streams use type='HRNet'")
        super().__init__(*args, **kwargs)


@MODELS.register_module()
class HRNetV2(HRNet):
    """All streams enlarged to the finest and concatenated, `(N, 15C, H/4, W/4)`; arguments as HRNet.

    Segmentation and face networks read this. Enlarging is bilinear, with HRNet's `align_corners`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _need_all_streams(self)
        self.out_channels = (sum(self.out_channels),)
        self.strides = self.strides[:1]

    def forward(self, x: Tensor) -> Maps:
        """`(N, in_channels, H, W)` to a tuple of one map."""
        xs = self.streams(x)
        return (torch.cat([resize(x, xs[0].shape[-2:], 'bilinear', self.align_corners) for x in xs], dim=1),)

    def streams(self, x: Tensor) -> Maps:
        """`(N, in_channels, H, W)` to the four maps that `forward` concatenates, `(N, C_i, H_i, W_i)`, finest first."""
        return super().forward(x)


@MODELS.register_module()
class HRNetV2p(HRNet):
    """HRNet and its feature pyramid in one: by default five maps `(N, 256, H / 2**i, W / 2**i)`, i = 2..6.

    `pyramid` holds HRNetV2pFPN's arguments other than channels in; the other arguments are HRNet's.
    """

    def __init__(self, *args: Any, pyramid: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _need_all_streams(self)
        self.pyramid = HRNetV2pFPN(self.out_channels, **(pyramid or {}))
        self.out_channels, self.strides = self.pyramid.out_channels, self.pyramid.strides

    def init_weights(self) -> None:
        """Initialize as HRNet does; the pyramid stays random where the checkpoint that `init_cfg` names has none."""
        if self.pretrained is not None:
            self.pyramid.init_weights()
        super().init_weights()

    def forward(self, x: Tensor) -> Maps:
        """`(N, in_channels, H, W)` to a tuple of one map per entry of `strides`."""
        levels: Maps = self.pyramid(super().forward(x))
        return levels


def _need_all_streams(backbone: HRNet) -> None:
    if len(backbone.out_channels) != 4:
        raise UserError(f'{type(backbone).__name__} reads all four streams: leave multiscale_output at True')


@MODELS.register_module()
class HRNetV2pFPN(BaseModule):
    """HRNet's feature pyramid, HRFPN: `num_outs` maps `(N, out_channels, H/s, W/s)`, s = 4, 8, ... times `stride`.

    All streams are enlarged, concatenated and mixed by a 1x1 convolution, halved by pooling again and again, and
    each level gets a 3x3 convolution of `stride`; `share_conv` uses one for all levels. Detectors with anchors use
    strides 4 to 64, FCOS (`stride=2`) 8 to 128. Channels in come from `in_channels`, or from the backbone's `arch`.

    Streams are mixed by StreamMix, with an eighth of the multiply-adds and equal to rounding.

    Raises ValueError for an argument out of range, or for `in_channels` that contradict `arch`.
    Source: HRNet-Object-Detection `mmdet/models/necks/hrfpn.py`; parameter names are mmdet's.
    """

    def __init__(
        self,
        in_channels: Sequence[int] | None = None,
        out_channels: int = 256,
        num_outs: int = 5,
        pooling_type: str = 'AVG',
        conv_cfg: Config | None = None,
        norm_cfg: Config | None = None,
        with_cp: bool = False,
        stride: int = 1,
        share_conv: bool = False,
        arch: str | Arch | None = None,
        init_cfg: Config | list[Config] | None = None,
    ) -> None:
        super().__init__(init_cfg or {'type': 'Caffe2Xavier', 'layer': 'Conv2d'})
        self.in_channels = _stream_channels(in_channels, arch)
        if pooling_type not in _POOLS:
            raise UserError(f'unknown pooling_type {pooling_type!r}{did_you_mean(pooling_type, _POOLS)}')
        for name, value in {'out_channels': out_channels, 'num_outs': num_outs, 'stride': stride}.items():
            if value < 1:
                raise UserError(f'{name} must be at least 1, got {value!r}')
        self.out_channels = (out_channels,) * num_outs
        self.strides = tuple(4 * stride * 2**i for i in range(num_outs))
        self.pool = _POOLS[pooling_type]
        self.with_cp = with_cp
        # The mixing convolution stays an ordinary one whatever conv_cfg says: it is applied slice by slice.
        reduction_conv = _named_conv(sum(self.in_channels), out_channels, 1, 1, None, norm_cfg)
        self.reduction_conv = StreamMix(reduction_conv.named_children())
        self.fpn_convs = nn.ModuleList(
            _named_conv(out_channels, out_channels, 3, stride, conv_cfg, norm_cfg)
            for _ in range(1 if share_conv else num_outs)
        )

    def forward(self, xs: Sequence[Tensor]) -> Maps:
        """The streams `(N, C_i, H_i, W_i)`, finest first, to the levels, finest first."""
        _check_streams(self, xs)
        level = checkpointed(self.with_cp, self, lambda *xs: self.reduction_conv(xs), *xs)
        levels = [level]
        for _ in self.out_channels[1:]:
            # Pooling by 2 again and again is pooling by 4, 8, 16. A side of one pixel stays.
            h, w = level.shape[-2:]
            level = self.pool(level, (min(2, h), min(2, w)))
            levels.append(level)
        convs = self.fpn_convs if len(self.fpn_convs) > 1 else [self.fpn_convs[0]] * len(levels)
        return tuple(conv(level) for conv, level in zip(convs, levels, strict=True))


@MODELS.register_module()
class HRFuseScales(BaseModule):
    """The classification fusion: streams widened to 128, 256, 512 and 1024, added finest into coarsest, then 1x1.

    Gives a tuple of one map, `(N, out_channels, H/32, W/32)`, to be pooled. `conv_bias=True` is the official form,
    False OpenMMLab's and that of the later official weights. Channels in come from `in_channels`, or from the
    backbone's `arch`.

    Raises ValueError for `in_channels` that contradict `arch`.
    Source: HRNet-Image-Classification `lib/models/cls_hrnet.py`; parameter names are mmpretrain's.
    """

    def __init__(
        self,
        in_channels: Sequence[int] | None = None,
        out_channels: int = 2048,
        norm_cfg: Config | None = None,
        conv_bias: bool = False,
        arch: str | Arch | None = None,
        init_cfg: Config | list[Config] | None = None,
    ) -> None:
        super().__init__(init_cfg or DEFAULT_INIT)
        self.in_channels = _stream_channels(in_channels, arch)
        self.out_channels = (out_channels,)
        self.strides = (32,)
        norm_cfg = norm_cfg or {'type': 'BN', 'momentum': 0.1}
        widths = [128, 256, 512, 1024]
        # One bottleneck a stream, in a Sequential of its own as in both sources.
        self.increase_layers = nn.ModuleList(
            nn.Sequential(Bottleneck(c, width // 4, None, norm_cfg))
            for c, width in zip(self.in_channels, widths, strict=True)
        )
        self.downsample_layers = nn.ModuleList(
            _named_conv(c_in, c_out, 3, 2, None, norm_cfg, conv_bias, relu=True) for c_in, c_out in pairwise(widths)
        )
        self.final_layer = _named_conv(widths[-1], out_channels, 1, 1, None, norm_cfg, conv_bias, relu=True)

    def forward(self, xs: Sequence[Tensor]) -> Maps:
        """The streams `(N, C_i, H_i, W_i)`, finest first, to a tuple of one map."""
        _check_streams(self, xs)
        first, *others = (increase(x) for increase, x in zip(self.increase_layers, xs, strict=True))
        y = first
        for x, downsample in zip(others, self.downsample_layers, strict=True):
            y = x + downsample(y)
        return (self.final_layer(y),)


_POOLS: dict[str, Callable[..., Tensor]] = {'AVG': F.avg_pool2d, 'MAX': F.max_pool2d}


def _named_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int,
    conv_cfg: Config | None,
    norm_cfg: Config | None,
    bias: bool = False,
    relu: bool = False,
) -> nn.Sequential:
    """`conv`, `bn` and ReLU under mmcv ConvModule's names; without normalization the convolution has a bias."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers['conv'] = build_conv(conv_cfg, in_channels, out_channels, kernel_size, stride, bias or norm_cfg is None)
    if norm_cfg is not None:
        layers['bn'] = build_norm(norm_cfg, out_channels)
    if relu:
        layers['activate'] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def _stream_channels(in_channels: Sequence[int] | None, arch: str | Arch | None) -> tuple[int, ...]:
    if arch is None:
        if in_channels is None or len(in_channels) != 4 or min(in_channels) < 1:
            raise UserError(
                f'in_channels must hold the channels of the four streams, got {in_channels!r}; or give arch'
            )
        return tuple(in_channels)
    channels = get_arch(arch).out_channels
    if in_channels is not None and tuple(in_channels) != channels:
        raise UserError(
            f'in_channels {list(in_channels)} contradicts arch {arch!r}, whose streams have {list(channels)}'
        )
    return channels


def _check_streams(module: HRNetV2pFPN | HRFuseScales, xs: Sequence[Tensor]) -> None:
    given = [x.shape[1] for x in xs] if isinstance(xs, (list, tuple)) else type(xs).__name__
    if given != list(module.in_channels):
        raise ValueError(
            f'{type(module).__name__} was built for streams of {list(module.in_channels)} channels, got {given}'
        )
