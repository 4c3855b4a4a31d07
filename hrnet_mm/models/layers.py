"""Convolution, normalization and the two residual blocks; parameter names are the official checkpoints'."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn
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
    'StreamMix',
    'build_conv',
    'build_norm',
    'checkpointed',
    'conv_norm',
    'is_compiling',
    'resize',
]

Config = dict[str, Any]

_CONVS: dict[str, Callable[..., nn.Module]] = {'Conv2d': nn.Conv2d, 'Conv': nn.Conv2d}
_NORMS: dict[str, Callable[..., nn.Module]] = {
    'BN': nn.BatchNorm2d,
    'BN2d': nn.BatchNorm2d,
    'SyncBN': nn.SyncBatchNorm,
    'IN': nn.InstanceNorm2d,
    'GN': nn.GroupNorm,
}


_MARKERS = ('_delete_', '_scope_')  # which mmengine leaves in what comes from other config files


def _layer_of(
    kind: str, cfg: Config, table: dict[str, Callable[..., nn.Module]]
) -> tuple[Callable[..., nn.Module], Config]:
    """A config's layer class, PyTorch's own or any that a library registered (such as mmcv's DCNv2), and its arguments.

    The type is a name, or in new-style configs the class itself.
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
    """A convolution padded to keep the size, `(N, in, H, W)` to `(N, out, ceil(H/stride), ceil(W/stride))`.

    Raises ValueError for a type that neither PyTorch nor a registry knows.
    """
    layer, arguments = _layer_of('conv', cfg or {'type': 'Conv2d'}, _CONVS)
    padding = kernel_size // 2
    return layer(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=bias, **arguments)


def build_norm(cfg: Config, channels: int) -> nn.Module:
    """A normalization layer; `requires_grad=False` in its config freezes the scale and shift.

    Raises ValueError for a type that neither PyTorch nor a registry knows.
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
    """Convolution (`.0`), normalization (`.1`) and, if asked, ReLU."""
    layers = [
        build_conv(conv_cfg, in_channels, out_channels, kernel_size, stride),
        build_norm(norm_cfg, out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def resize(x: Tensor, size: Sequence[int], mode: str, align_corners: bool = False) -> Tensor:
    """`(N, C, h, w)` to `(N, C, *size)`, by size and not by factor, so that any input size of the network works."""
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode=mode, align_corners=None if mode == 'nearest' else align_corners)


class StreamMix(nn.Module):
    """A 1x1 convolution of maps that are enlarged to the first one and concatenated, and the layers that follow it.

    A 1x1 convolution and bilinear enlarging commute, so each map is convolved at its own resolution, with its part of
    the weight, before it is enlarged and added: for HRNet's four streams an eighth of the multiply-adds, equal to
    rounding. `layers` are the convolution, which may have a bias, and what follows the sum, under the names that they
    have in checkpoints.

    Raises ValueError if the first layer is not an ordinary 1x1 convolution.
    """

    def __init__(self, layers: Iterable[tuple[str, nn.Module]], align_corners: bool = False) -> None:
        super().__init__()
        (name, conv), *rest = layers
        if type(conv) is not nn.Conv2d or conv.kernel_size != (1, 1) or conv.stride != (1, 1) or conv.groups != 1:
            raise UserError(f'the streams are mixed by an ordinary 1x1 convolution, got {conv}; leave conv_cfg out')
        self.align_corners = align_corners
        self.add_module(name, conv)
        for name, layer in rest:
            self.add_module(name, layer)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        """Maps `(N, C_i, H_i, W_i)` to one, `(N, out_channels, H_0, W_0)`; raises ValueError for other channels."""
        conv, *rest = self.children()
        assert isinstance(conv, nn.Conv2d)
        widths = [x.shape[1] for x in xs]
        if sum(widths) != conv.in_channels:
            raise ValueError(f'made for maps of {conv.in_channels} channels together, got {widths}')
        finest, *coarser = zip(xs, torch.split(conv.weight, widths, dim=1), strict=True)
        out = F.conv2d(*finest, conv.bias)
        for x, weight in coarser:
            out = out + resize(F.conv2d(x, weight), out.shape[-2:], 'bilinear', self.align_corners)
        for layer in rest:
            out = layer(out)
        return out


# torch before 2.3 has only the private one.
is_compiling: Callable[[], bool] = getattr(torch.compiler, 'is_compiling', None) or torch._utils.is_compiling


def checkpointed(enabled: bool, module: nn.Module, function: Callable[..., Tensor], *args: Tensor) -> Tensor:
    """`function(*args)`, its activations recomputed in the backward pass instead of kept if `enabled`.

    `module` owns the normalization inside `function`: recomputing must not count the same batch a second time in
    its running statistics.
    """
    if not (enabled and any(x.requires_grad for x in args)):
        return function(*args)
    # A compiled graph changes the statistics once, at its end, and cannot hold the context.
    context: Config = {} if is_compiling() else {'context_fn': lambda: (nullcontext(), _statistics_kept(module))}
    result: Tensor = torch.utils.checkpoint.checkpoint(function, *args, use_reentrant=False, **context)
    return result


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    kept = [(m.momentum, m.num_batches_tracked) for m in norms]
    for norm in norms:
        # Momentum 0 leaves the statistics as they are; autograd sees the same operations as the first time.
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


class _Block(nn.Module):
    """What both blocks share: residual plus shortcut, then ReLU; recomputed in the backward pass with `with_cp`."""

    def __init__(self, in_channels: int, out_channels: int, with_cp: bool, **cfgs: Any) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None if in_channels == out_channels else conv_norm(in_channels, out_channels, 1, 1, **cfgs)

    def _residual(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(self._residual(x) + shortcut)
        return out

    def forward(self, x: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, channels * EXPANSION, H, W)`."""
        return checkpointed(self.with_cp, self, self._forward, x)


class BasicBlock(_Block):
    """Two 3x3 convolutions and a shortcut (He et al., CVPR 2016)."""

    def __init__(
        self, in_channels: int, channels: int, conv_cfg: Config | None, norm_cfg: Config, with_cp: bool = False
    ) -> None:
        super().__init__(in_channels, channels, with_cp, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.conv1 = build_conv(conv_cfg, in_channels, channels, 3)
        self.bn1 = build_norm(norm_cfg, channels)
        self.conv2 = build_conv(conv_cfg, channels, channels, 3)
        self.bn2 = build_norm(norm_cfg, channels)

    def _residual(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.bn2(self.conv2(x))
        return out

    @property
    def last_norm(self) -> nn.Module:
        """What `zero_init_residual` sets to zero, so that the block starts as its shortcut."""
        return self.bn2


class Bottleneck(_Block):
    """1x1, 3x3 and 1x1 convolutions, the last widening by four, and a shortcut (He et al., CVPR 2016)."""

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

    def _residual(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        out: Tensor = self.bn3(self.conv3(x))
        return out

    @property
    def last_norm(self) -> nn.Module:
        """What `zero_init_residual` sets to zero, so that the block starts as its shortcut."""
        return self.bn3


BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {'BASIC': BasicBlock, 'BOTTLENECK': Bottleneck}
