"""Readouts of HRNet's four branches: V1, V2, the V2p pyramid and the classification fusion.

Wang et al., TPAMI 2020, figure 4 and section 3.3. Parameter names are OpenMMLab's.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, fx, nn
from torch.nn import functional as F

from ..errors import UserError, did_you_mean
from ..registry import MODELS
from ..weights.load import absent_biases
from .archs import Arch, get_arch
from .features import FeatureInfo
from .hrnet import DEFAULT_INIT, HRNet, Maps
from .layers import Bottleneck, Config, StreamMix, build_conv, build_norm, checkpointed, resize

__all__ = ['HRFuseScales', 'HRNetV1', 'HRNetV1hFPN', 'HRNetV2', 'HRNetV2p', 'HRNetV2pFPN']

for _name in ('resize', '_check_branches', '_halved'):
    fx.wrap(_name)  # one node of a traced graph, because it depends on the sizes


@MODELS.register_module()
class HRNetV1(HRNet):
    """HRNet with the finest map as its output, `(N, C, H/4, W/4)`, which pose heads read.

    Args:
        *args: Arguments of `HRNet`.
        **kwargs: Arguments of `HRNet`; `multiscale_output` is False.

    Raises:
        UserError: `multiscale_output` is True, or an argument is out of range.

    Examples:
        >>> [tuple(x.shape) for x in HRNetV1('test-w8')(torch.zeros(1, 3, 256, 192))]
        [(1, 8, 64, 48)]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.setdefault('multiscale_output', False):
            raise UserError("HRNetV1 returns the finest map only; for the maps of all branches use type='HRNet'")
        super().__init__(*args, **kwargs)


@MODELS.register_module()
class HRNetV2(HRNet):
    """HRNet with all maps upsampled to the finest and concatenated, `(N, 15C, H/4, W/4)`.

    Segmentation and face heads read it. The upsampling is bilinear, with `align_corners` of `HRNet`.

    Args:
        *args: Arguments of `HRNet`.
        **kwargs: Arguments of `HRNet`.

    Raises:
        UserError: `multiscale_output` is False, or an argument is out of range.

    Examples:
        >>> [tuple(x.shape) for x in HRNetV2('test-w8')(torch.zeros(1, 3, 64, 128))]
        [(1, 120, 16, 32)]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _need_all_branches(self)
        self.out_channels = (sum(self.out_channels),)
        self.strides = self.strides[:1]

    def forward(self, x: Tensor) -> Maps:
        """Compute the concatenated map.

        Args:
            x: The images, `(N, in_channels, H, W)`.

        Returns:
            A tuple of one map, `(N, 15C, H/4, W/4)`.
        """
        xs = self.streams(x)
        return (torch.cat([resize(x, xs[0].shape[-2:], 'bilinear', self.align_corners) for x in xs], dim=1),)

    def streams(self, x: Tensor) -> Maps:
        """Compute the maps of the branches, which `forward` concatenates.

        Args:
            x: The images, `(N, in_channels, H, W)`.

        Returns:
            Four maps `(N, C_i, H_i, W_i)`, finest first.
        """
        return super().forward(x)


@MODELS.register_module()
class HRNetV2p(HRNet):
    """HRNet with its feature pyramid, by default five maps `(N, 256, H / 2**i, W / 2**i)` with i = 2 to 6.

    Args:
        *args: Arguments of `HRNet`.
        pyramid: Arguments of `HRNetV2pFPN`, except the input channels.
        **kwargs: Arguments of `HRNet`.

    Raises:
        UserError: `multiscale_output` is False, or an argument is out of range.

    Examples:
        >>> [tuple(x.shape[1:]) for x in HRNetV2p('test-w8')(torch.zeros(1, 3, 64, 64))]
        [(256, 16, 16), (256, 8, 8), (256, 4, 4), (256, 2, 2), (256, 1, 1)]
    """

    def __init__(self, *args: Any, pyramid: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _need_all_branches(self)
        self.pyramid = HRNetV2pFPN(self.out_channels, **(pyramid or {}))
        self.out_channels, self.strides = self.pyramid.out_channels, self.pyramid.strides

    @property
    def feature_info(self) -> FeatureInfo:
        """The description of the pyramid's maps with the methods of timm's class; they have the numbers from 1 on."""
        return FeatureInfo(self.out_channels, self.strides, 'pyramid')

    def init_weights(self) -> None:
        """Initialize like HRNet; the pyramid stays random if the checkpoint of `init_cfg` has none."""
        if self.pretrained is not None:
            self.pyramid.init_weights()
        super().init_weights()

    def forward(self, x: Tensor) -> Maps:
        """Compute the feature pyramid.

        Args:
            x: The images, `(N, in_channels, H, W)`.

        Returns:
            One map for each entry of `strides`, finest first.
        """
        levels: Maps = self.pyramid(super().forward(x))
        return levels


def _need_all_branches(backbone: HRNet) -> None:
    if len(backbone.out_channels) != 4:
        raise UserError(f'{type(backbone).__name__} reads all four branches; leave multiscale_output at True')


@MODELS.register_module()
class HRNetV2pFPN(BaseModule):
    """Feature pyramid of HRNetV2p (mmdet's HRFPN): maps `(N, out_channels, H/s, W/s)`, s = `stride` times 4, 8, 16, ...

    All branches are upsampled, concatenated and mixed by a 1x1 convolution (`StreamMix`); average pooling makes the
    coarser levels, and each level has a 3x3 convolution. Source: HRNet-Object-Detection `mmdet/models/necks/hrfpn.py`;
    parameter names are mmdet's.

    Args:
        in_channels: Channels of the branches, finest first; may be left out if `arch` is given.
        out_channels: Channels of every level.
        num_outs: The number of levels.
        pooling_type: 'AVG' or 'MAX'.
        conv_cfg: The config of the 3x3 convolutions.
        norm_cfg: The config of the normalization. Default: none, and the convolutions have a bias.
        with_cp: Whether the mixed map is recomputed in the backward pass.
        stride: The stride of the 3x3 convolutions. Anchor-based detectors use 1 (strides 4 to 64), FCOS 2 (8 to 128).
        share_conv: Whether all levels share one 3x3 convolution.
        arch: The backbone's architecture, from which the input channels follow.
        init_cfg: The config of the initialization. Default: Caffe2Xavier.

    Raises:
        UserError: An argument is out of range, or `in_channels` contradicts `arch`.

    Examples:
        >>> HRNetV2pFPN(arch='w32', stride=2).strides
        (8, 16, 32, 64, 128)
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
        self.in_channels = _branch_channels(in_channels, arch, all_four=False)
        if pooling_type not in _POOLS:
            raise UserError(f'unknown pooling_type {pooling_type!r}{did_you_mean(pooling_type, _POOLS)}')
        for name, value in {'out_channels': out_channels, 'num_outs': num_outs, 'stride': stride}.items():
            if value < 1:
                raise UserError(f'{name} must be at least 1, got {value!r}')
        self.out_channels = (out_channels,) * num_outs
        self.strides = tuple(4 * stride * 2**i for i in range(num_outs))
        self.pooling_type, self.pooling = pooling_type, _POOLS[pooling_type]
        self.num_ins, self.num_outs = len(self.in_channels), num_outs
        self.conv_cfg, self.norm_cfg = conv_cfg, norm_cfg
        self.with_cp = with_cp
        # conv_cfg does not apply to the mixing convolution: StreamMix needs an ordinary one.
        reduction_conv = _named_conv(sum(self.in_channels), out_channels, 1, 1, None, norm_cfg)
        self.reduction_conv = StreamMix(reduction_conv.named_children())
        self.fpn_convs = nn.ModuleList(
            _named_conv(out_channels, out_channels, 3, stride, conv_cfg, norm_cfg)
            for _ in range(1 if share_conv else num_outs)
        )

    def forward(self, xs: Sequence[Tensor]) -> Maps:
        """Compute the levels of the pyramid.

        Args:
            xs: The maps of the branches, `(N, C_i, H_i, W_i)`, finest first.

        Returns:
            The levels, finest first.

        Raises:
            ValueError: The branches have other channels than `in_channels`.
        """
        _check_branches(type(self).__name__, list(self.in_channels), xs)
        return self._levels(xs)

    def _levels(self, xs: Sequence[Tensor]) -> Maps:
        level = checkpointed(self.with_cp, self, lambda *xs: self.reduction_conv(xs), *xs)
        levels = [level]
        for _ in self.out_channels[1:]:
            level = _halved(level, self.pooling_type)
            levels.append(level)
        convs = self.fpn_convs if len(self.fpn_convs) > 1 else [self.fpn_convs[0]] * len(levels)
        return tuple(conv(level) for conv, level in zip(convs, levels, strict=True))


@MODELS.register_module()
class HRNetV1hFPN(HRNetV2pFPN):
    """Feature pyramid of HRNetV1h: that of HRNetV2p on the finest branch alone.

    A 1x1 convolution first widens the branch to as many channels as all branches have together. Source: TPAMI section
    VII, where V1h is an ablation; no code was released.

    Args:
        arch: The backbone's architecture.
        **kwargs: Arguments of `HRNetV2pFPN`.

    Examples:
        >>> maps = HRNet('test-w8')(torch.zeros(1, 3, 64, 64))
        >>> [tuple(x.shape[-2:]) for x in HRNetV1hFPN('test-w8', num_outs=3)(maps[:1])]
        [(16, 16), (8, 8), (4, 4)]
    """

    def __init__(self, arch: str | Arch, **kwargs: Any) -> None:
        channels = get_arch(arch).out_channels
        super().__init__([sum(channels)], **kwargs)
        self.in_channels, self.num_ins = channels[:1], 1
        self.widen_conv = nn.Conv2d(channels[0], sum(channels), 1)

    def forward(self, xs: Sequence[Tensor]) -> Maps:
        """Compute the levels of the pyramid of a tuple of one map, the finest, `(N, C, H, W)`."""
        _check_branches(type(self).__name__, list(self.in_channels), xs)
        return self._levels((self.widen_conv(xs[0]),))


@MODELS.register_module()
class HRFuseScales(BaseModule):
    """Classification fusion of HRNet-C, which makes one map of the four branches.

    The branches are widened to 128, 256, 512 and 1024 channels, added from fine to coarse, and mixed by a 1x1
    convolution. The output is a tuple of one map `(N, out_channels, H/32, W/32)`, to be pooled. Source:
    HRNet-Image-Classification `lib/models/cls_hrnet.py`; parameter names are mmpretrain's.

    Args:
        in_channels: Channels of the four branches, finest first; may be left out if `arch` is given.
        out_channels: Channels of the output.
        norm_cfg: The config of the normalization. Default: batch norm with momentum 0.1.
        conv_bias: Whether convolutions before a normalization have a bias: True in the official code, False in
            OpenMMLab and in the later official weights. A checkpoint without these biases sets them to zero.
        arch: The backbone's architecture, from which the input channels follow.
        init_cfg: The config of the initialization. Default: Kaiming.

    Raises:
        UserError: `in_channels` contradicts `arch`, or neither is given.

    Examples:
        >>> from hrnet_mm.models import HRNet
        >>> maps = HRNet('test-w8')(torch.zeros(1, 3, 64, 64))
        >>> [tuple(x.shape) for x in HRFuseScales(arch='test-w8')(maps)]
        [(1, 2048, 2, 2)]
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
        self.in_channels = _branch_channels(in_channels, arch)
        self.out_channels = (out_channels,)
        self.strides = (32,)
        self.norm_cfg = norm_cfg = norm_cfg or {'type': 'BN', 'momentum': 0.1}
        widths = [128, 256, 512, 1024]
        # The Sequential around each bottleneck is in both sources, and in their parameter names.
        self.increase_layers = nn.ModuleList(
            nn.Sequential(Bottleneck(c, width // 4, None, norm_cfg))
            for c, width in zip(self.in_channels, widths, strict=True)
        )
        self.downsample_layers = nn.ModuleList(
            _named_conv(c_in, c_out, 3, 2, None, norm_cfg, conv_bias, relu=True) for c_in, c_out in pairwise(widths)
        )
        self.final_layer = _named_conv(widths[-1], out_channels, 1, 1, None, norm_cfg, conv_bias, relu=True)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        own = [name.removeprefix(prefix) for name in state_dict if name.startswith(prefix)]
        zeros = absent_biases(self, own)
        state_dict.update({prefix + name: value for name, value in zeros.items()})
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, xs: Sequence[Tensor]) -> Maps:
        """Compute the fused map.

        Args:
            xs: The maps of the branches, `(N, C_i, H_i, W_i)`, finest first.

        Returns:
            A tuple of one map, `(N, out_channels, H/32, W/32)`.

        Raises:
            ValueError: The branches have other channels than `in_channels`.
        """
        _check_branches(type(self).__name__, list(self.in_channels), xs)
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
    """Return `conv`, `bn` and ReLU, named as in mmcv's ConvModule; the convolution has a bias if there is no `bn`."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers['conv'] = build_conv(conv_cfg, in_channels, out_channels, kernel_size, stride, bias or norm_cfg is None)
    if norm_cfg is not None:
        layers['bn'] = build_norm(norm_cfg, out_channels)
    if relu:
        layers['activate'] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def _branch_channels(
    in_channels: Sequence[int] | None, arch: str | Arch | None, all_four: bool = True
) -> tuple[int, ...]:
    if arch is None:
        if not in_channels or (all_four and len(in_channels) != 4) or min(in_channels) < 1:
            branches = 'the four branches' if all_four else 'the branches'
            raise UserError(f'in_channels must hold the channels of {branches}, got {in_channels!r}; or give arch')
        return tuple(in_channels)
    channels = get_arch(arch).out_channels
    if in_channels is not None and tuple(in_channels) != channels:
        raise UserError(
            f'in_channels {list(in_channels)} contradicts arch {arch!r}, whose branches have {list(channels)}; '
            'leave one of them out'
        )
    return channels


def _halved(level: Tensor, pooling_type: str) -> Tensor:
    """Pool by 2, which repeated equals pooling by 4, 8, 16; a side of one pixel is kept."""
    h, w = level.shape[-2:]
    return _POOLS[pooling_type](level, (min(2, h), min(2, w)))


def _check_branches(name: str, channels: list[int], xs: Sequence[Tensor]) -> None:
    given = [x.shape[1] for x in xs] if isinstance(xs, (list, tuple)) else type(xs).__name__
    if given != channels:
        raise ValueError(f'{name} was built for branches of {channels} channels, got {given}')
