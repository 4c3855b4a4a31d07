"""Convolution, normalization, resampling and residual blocks, with the parameter names of the official checkpoints."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import UserError, did_you_mean
from ..registry import MODELS
from .archs import EXPANSION

__all__ = [
    'BLOCKS',
    'BasicBlock',
    'Bottleneck',
    'Config',
    'NormNames',
    'StreamMix',
    'build_conv',
    'build_norm',
    'checkpointed',
    'conv_norm',
    'is_compiling',
    'resize',
]

for _name in ('resize', '_mix'):
    fx.wrap(_name)  # one node of a traced graph, because it depends on the sizes

Config = dict[str, Any]

_CONVS: dict[str, Callable[..., nn.Module]] = {'Conv2d': nn.Conv2d, 'Conv': nn.Conv2d}
_NORMS: dict[str, Callable[..., nn.Module]] = {
    'BN': nn.BatchNorm2d,
    'BN2d': nn.BatchNorm2d,
    'SyncBN': nn.SyncBatchNorm,
    'IN': nn.InstanceNorm2d,
    'GN': nn.GroupNorm,
}


_MARKERS = ('_delete_', '_scope_')  # mmengine leaves these keys in settings inherited from other configs


def _layer_of(
    kind: str, cfg: Config, table: dict[str, Callable[..., nn.Module]]
) -> tuple[Callable[..., nn.Module], Config]:
    """Return a config's layer class and its arguments.

    The type is a name, PyTorch's or one that a library registered (such as mmcv's DCNv2), or in new-style configs the
    class.
    """
    if 'type' not in cfg:
        raise UserError(f'{kind}_cfg needs a type, got {cfg!r}')
    found = cfg['type']
    if isinstance(found, str):
        found = table.get(found) or MODELS.get(found)
    if found is None:
        known = did_you_mean(cfg['type'], table)
        raise UserError(f'unknown {kind}_cfg type {cfg["type"]!r}{known}, or a registered layer')
    return found, {key: value for key, value in cfg.items() if key not in ('type', *_MARKERS)}


def build_conv(
    cfg: Config | None, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, bias: bool = False
) -> nn.Module:
    """Return a convolution that keeps the size at stride 1.

    `(N, in_channels, H, W)` becomes `(N, out_channels, ceil(H / stride), ceil(W / stride))`.

    Args:
        cfg: Its type and further arguments; None for PyTorch's Conv2d.
        in_channels: The channels of the input.
        out_channels: The channels of the output.
        kernel_size: The side of the kernel, an odd number.
        stride: The stride in pixels.
        bias: Whether the convolution has a bias.

    Raises:
        UserError: Neither PyTorch nor a registry has the type.
    """
    layer, arguments = _layer_of('conv', cfg or {'type': 'Conv2d'}, _CONVS)
    padding = kernel_size // 2
    return layer(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=bias, **arguments)


def build_norm(cfg: Config, channels: int) -> nn.Module:
    """Return a normalization layer.

    Args:
        cfg: Its type and further arguments; `requires_grad=False` freezes the scale and shift.
        channels: The channels of its input.

    Raises:
        UserError: Neither PyTorch nor a registry has the type.
    """
    layer, arguments = _layer_of('norm', cfg, _NORMS)
    requires_grad = arguments.pop('requires_grad', True)
    built = layer(num_channels=channels, **arguments) if layer is nn.GroupNorm else layer(channels, **arguments)
    return built.requires_grad_(requires_grad)


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int,
    conv_cfg: Config | None,
    norm_cfg: Config,
    relu: bool = False,
) -> nn.Sequential:
    """Return a convolution (`.0`), a normalization (`.1`) and, with `relu`, a ReLU (`.2`).

    Args:
        in_channels: The channels of the input.
        out_channels: The channels of the output.
        kernel_size: The side of the kernel, an odd number.
        stride: The stride in pixels.
        conv_cfg: The config of the convolution.
        norm_cfg: The config of the normalization.
        relu: Whether a ReLU follows.
    """
    layers = [
        build_conv(conv_cfg, in_channels, out_channels, kernel_size, stride),
        build_norm(norm_cfg, out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def resize(x: Tensor, size: Sequence[int], mode: str, align_corners: bool = False) -> Tensor:
    """Resize `(N, C, h, w)` to `(N, C, *size)`.

    Args:
        x: The maps.
        size: Height and width; a target size instead of a factor allows any input size of the network.
        mode: The interpolation, 'nearest' or 'bilinear'.
        align_corners: The `align_corners` of 'bilinear'.
    """
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode=mode, align_corners=None if mode == 'nearest' else align_corners)


class StreamMix(nn.Module):
    """1x1 convolution of upsampled and concatenated branches, followed by further layers.

    A 1x1 convolution and bilinear upsampling commute. Each branch is therefore convolved at its own resolution, with
    its slice of the weight, and then upsampled and added. For HRNet's four branches this needs an eighth of the
    multiply-adds; the result is equal up to rounding.

    Args:
        layers: The convolution, which may have a bias, and the layers after the sum, with their names in checkpoints.
        align_corners: The `align_corners` of the upsampling.

    Raises:
        UserError: The first layer is not an ordinary 1x1 convolution.
    """

    def __init__(self, layers: Iterable[tuple[str, nn.Module]], align_corners: bool = False) -> None:
        super().__init__()
        (name, conv), *rest = layers
        if type(conv) is not nn.Conv2d or conv.kernel_size != (1, 1) or conv.stride != (1, 1) or conv.groups != 1:
            raise UserError(f'branches are mixed by an ordinary 1x1 convolution, got {conv}; leave conv_cfg out')
        self.align_corners = align_corners
        self.add_module(name, conv)
        for name, layer in rest:
            self.add_module(name, layer)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        """Map branches `(N, C_i, H_i, W_i)`, finest first, to `(N, out_channels, H_0, W_0)`."""
        conv, *rest = self.children()
        assert isinstance(conv, nn.Conv2d)
        out = _mix(tuple(xs), conv.weight, conv.bias, self.align_corners)
        for layer in rest:
            out = layer(out)
        return out


def _mix(xs: tuple[Tensor, ...], weight: Tensor, bias: Tensor | None, align_corners: bool) -> Tensor:
    widths = [x.shape[1] for x in xs]
    if sum(widths) != weight.shape[1]:
        raise ValueError(f'expected branches with {weight.shape[1]} channels in total, got {widths}')
    finest, *coarser = zip(xs, torch.split(weight, widths, dim=1), strict=True)
    out = F.conv2d(*finest, bias)
    for x, part in coarser:
        out = out + resize(F.conv2d(x, part), out.shape[-2:], 'bilinear', align_corners)
    return out


# torch before 2.3 has only the private function.
is_compiling: Callable[[], bool] = getattr(torch.compiler, 'is_compiling', None) or torch._utils.is_compiling


def checkpointed(enabled: bool, module: nn.Module, function: Callable[..., Tensor], *args: Tensor) -> Tensor:
    """Return `function(*args)`; if `enabled`, recompute its activations in the backward pass instead of storing them.

    Args:
        enabled: Whether to recompute.
        module: The owner of the normalization in `function`. Recomputing must not count a batch twice in its running
            statistics.
        function: The function.
        *args: Its arguments.
    """
    if not (enabled and any(x.requires_grad for x in args)):
        return function(*args)
    # A compiled graph updates the statistics once, at its end, and cannot contain the context manager.
    context: Config = {} if is_compiling() else {'context_fn': lambda: (nullcontext(), _statistics_kept(module))}
    result: Tensor = torch.utils.checkpoint.checkpoint(function, *args, use_reentrant=False, **context)
    return result


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    kept = [(m.momentum, m.num_batches_tracked) for m in norms]
    for norm in norms:
        # Momentum 0 preserves the statistics, and autograd records the same operations as in the first pass.
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


class NormNames:
    """OpenMMLab's names of the norms of a stem or block, besides those of the official checkpoints."""

    norm1_name, norm2_name = 'bn1', 'bn2'
    bn1: nn.Module
    bn2: nn.Module

    @property
    def norm1(self) -> nn.Module:
        """The norm `bn1`."""
        return self.bn1

    @property
    def norm2(self) -> nn.Module:
        """The norm `bn2`."""
        return self.bn2


class _Block(NormNames, nn.Module):
    """Base of both blocks: residual plus shortcut, then ReLU."""

    stride = dilation = 1

    def __init__(self, in_channels: int, out_channels: int, with_cp: bool, **cfgs: Any) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.conv_cfg, self.norm_cfg = cfgs.get('conv_cfg'), cfgs.get('norm_cfg')
        self.with_cp = with_cp
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None if in_channels == out_channels else conv_norm(in_channels, out_channels, 1, 1, **cfgs)

    def _residual(self, x: Tensor, shortcut: Tensor) -> Tensor:
        raise NotImplementedError

    def _forward(self, x: Tensor) -> Tensor:
        return self._residual(x, x if self.downsample is None else self.downsample(x))

    def _normalized(self, norm: nn.Module, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """ReLU of `norm(x)`, or of its sum with a shortcut."""
        fused = getattr(norm, 'with_relu', None)  # of hrnet_mm.fast.accelerate_training
        if fused is not None:
            out: Tensor = fused(norm, x, shortcut)
        else:
            out = self.relu(norm(x) if shortcut is None else norm(x) + shortcut)
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, in_channels, H, W)` to `(N, channels * EXPANSION, H, W)`."""
        return checkpointed(self.with_cp, self, self._forward, x)


class BasicBlock(_Block):
    """Two 3x3 convolutions and a shortcut (He et al., CVPR 2016).

    Args:
        in_channels: The channels of the input.
        channels: The channels of the output.
        conv_cfg: The config of the convolutions.
        norm_cfg: The config of the normalization.
        with_cp: Whether activations are recomputed in the backward pass.
    """

    expansion = EXPANSION['BASIC']

    def __init__(
        self, in_channels: int, channels: int, conv_cfg: Config | None, norm_cfg: Config, with_cp: bool = False
    ) -> None:
        super().__init__(in_channels, channels, with_cp, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.conv1 = build_conv(conv_cfg, in_channels, channels, 3)
        self.bn1 = build_norm(norm_cfg, channels)
        self.conv2 = build_conv(conv_cfg, channels, channels, 3)
        self.bn2 = build_norm(norm_cfg, channels)

    def _residual(self, x: Tensor, shortcut: Tensor) -> Tensor:
        x = self._normalized(self.bn1, self.conv1(x))
        return self._normalized(self.bn2, self.conv2(x), shortcut)

    @property
    def last_norm(self) -> nn.Module:
        """The normalization whose scale `zero_init_residual` sets to zero."""
        return self.bn2


class Bottleneck(_Block):
    """1x1, 3x3 and 1x1 convolutions, the last widening by four, and a shortcut (He et al., CVPR 2016).

    Args:
        in_channels: The channels of the input.
        channels: The inner channels, a quarter of the output's.
        conv_cfg: The config of the convolutions.
        norm_cfg: The config of the normalization.
        with_cp: Whether activations are recomputed in the backward pass.
    """

    expansion = EXPANSION['BOTTLENECK']
    norm3_name = 'bn3'

    def __init__(
        self, in_channels: int, channels: int, conv_cfg: Config | None, norm_cfg: Config, with_cp: bool = False
    ) -> None:
        out_channels = channels * EXPANSION['BOTTLENECK']
        super().__init__(in_channels, out_channels, with_cp, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.conv1 = build_conv(conv_cfg, in_channels, channels, 1)
        self.bn1 = build_norm(norm_cfg, channels)
        self.conv2 = build_conv(conv_cfg, channels, channels, 3)
        self.bn2 = build_norm(norm_cfg, channels)
        self.conv3 = build_conv(conv_cfg, channels, out_channels, 1)
        self.bn3 = build_norm(norm_cfg, out_channels)

    def _residual(self, x: Tensor, shortcut: Tensor) -> Tensor:
        x = self._normalized(self.bn1, self.conv1(x))
        x = self._normalized(self.bn2, self.conv2(x))
        return self._normalized(self.bn3, self.conv3(x), shortcut)

    @property
    def last_norm(self) -> nn.Module:
        """The normalization whose scale `zero_init_residual` sets to zero."""
        return self.bn3

    @property
    def norm3(self) -> nn.Module:
        """The norm `bn3`."""
        return self.bn3


BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {'BASIC': BasicBlock, 'BOTTLENECK': Bottleneck}
