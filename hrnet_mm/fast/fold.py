"""HRNet in its inference form: equal outputs to rounding, from fewer than half the kernels.

Batch norm is folded into the convolution before it; what follows a convolution (the residual sum, the exchange unit's
sum, ReLU) is done by the convolution's own kernel where PyTorch has one that can: oneDNN's on CPUs, cuDNN's on GPUs;
and the 1x1 convolutions by which an exchange unit reads one branch for several finer ones become one.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights
from typing_extensions import Self

from ..models.hrnet import ExchangeUnit, HRModule, HRNet, Maps
from ..models.layers import BasicBlock, Bottleneck, StreamMix, is_compiling, resize

__all__ = ['Folded', 'FusedConv', 'finite', 'fold']


def fold(module: nn.Module, concurrent: bool = False) -> 'Folded':
    """A module in its inference form; `module` itself stays as it is and shares its parameters.

    This package's modules are folded, and mmcv's ConvModule in the necks and heads of the libraries; a layer of a kind
    that is not known is used as it is. `concurrent` runs branches on CUDA streams of their own.
    """
    return Folded(module, concurrent)


class Folded(nn.Module):
    """A module that computes in its inference form, and loads and saves the ordinary checkpoint.

    It holds the parameters of the module it was made from, under their names; folded copies of them, made anew when a
    checkpoint is loaded, do the work, so weights take their memory twice. Other attributes are those of the module.
    oneDNN's fused ReLU turns NaN into 0, so on a CPU the module itself answers for inputs with NaN or infinity.

    Raises RuntimeError when it is to be trained.
    """

    def __init__(self, source: nn.Module, concurrent: bool = False) -> None:
        super().__init__()
        self._modules = source._modules
        self._parameters = source._parameters
        self._buffers = source._buffers
        self.training = False
        self._build = lambda: _fused(deepcopy(source).eval().requires_grad_(False), concurrent)
        # Unregistered: only the source's parameters are this module's.
        object.__setattr__(self, 'source', source)
        self.refold()
        self.register_load_state_dict_post_hook(lambda *_: self.refold())

    def refold(self) -> None:
        """Fold again, after the parameters have changed by other means than `load_state_dict`."""
        object.__setattr__(self, 'network', self._build())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the module it was made from."""
        if not is_compiling() and not finite(args):
            return self.source(*args, **kwargs)
        return self.network(*args, **kwargs)

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode; raises RuntimeError if asked to train."""
        if mode:
            raise RuntimeError('a folded network cannot be trained: train the one it was made from, then fold that')
        return super().train(False)

    def _apply(self, *args: Any, **kwargs: Any) -> Self:
        self.network._apply(*args, **kwargs)
        return super()._apply(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__['source'], name)


def finite(inputs: Iterable[Any]) -> bool:
    """Whether inputs on the CPU hold neither NaN nor infinity; on a GPU, where asking would wait for it, True."""
    return all(bool(torch.isfinite(x.sum())) for x in inputs if isinstance(x, Tensor) and x.device.type == 'cpu')


class FusedConv(nn.Conv2d):
    """`relu(conv(x) + other)` in one kernel, batch norm folded in."""

    def __init__(self, conv: nn.Conv2d, norm: _BatchNorm | None = None, relu: bool = False) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.groups,
            device='meta',
        )
        weight, bias = conv.weight, conv.bias
        if norm is not None:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            weight, bias = fuse_conv_bn_weights(
                weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
        self.weight = nn.Parameter(weight.detach(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self.relu = relu
        self._packed: tuple[Any, Tensor | None] = (None, None)

    def forward(self, x: Tensor, other: Tensor | None = None, overwrite: bool = False) -> Tensor:
        """`(N, in, H, W)` to `(N, out, H/stride, W/stride)`; `overwrite` allows the result in the place of `other`."""
        # Compilers and exporters want the plain operators and fuse by themselves; the fused ones have no gradient.
        if not is_compiling() and not (x.requires_grad and torch.is_grad_enabled()):
            if x.is_cuda and self.relu and torch.backends.cudnn.is_available():
                geometry = (self.bias, self.stride, self.padding, self.dilation, self.groups)
                if other is None:
                    return torch.cudnn_convolution_relu(x, self.weight, *geometry)
                return torch.cudnn_convolution_add_relu(x, self.weight, other, 1.0, *geometry)
            if x.device.type == 'cpu' and x.dtype in (torch.float32, torch.bfloat16) and _has_onednn():
                return self._onednn(x, other, overwrite)
        y = self._conv_forward(x, self.weight, self.bias)
        if other is not None:
            y = y + other
        return F.relu(y, inplace=True) if self.relu else y

    def _onednn(self, x: Tensor, other: Tensor | None, overwrite: bool) -> Tensor:
        ops = torch.ops.mkldnn
        shape = tuple(x.shape)
        if self._packed[0] != shape:  # in oneDNN's own order, which depends on the input's size
            geometry = (self.padding, self.stride, self.dilation, self.groups)
            self._packed = (shape, ops._reorder_convolution_weight(self.weight, *geometry, shape))
        rest = (self._packed[1], self.bias, self.padding, self.stride, self.dilation, self.groups)
        y: Tensor
        if other is None:
            y = ops._convolution_pointwise(x, *rest, 'relu' if self.relu else 'none', [], '')
        elif overwrite:
            y = ops._convolution_pointwise_.binary(other, x, *rest, 'add', 1.0, self._then, [], '')
        else:
            y = ops._convolution_pointwise.binary(x, other, *rest, 'add', 1.0, self._then, [], '')
        return y

    @property
    def _then(self) -> str | None:
        return 'relu' if self.relu else None

    def _apply(self, *args: Any, **kwargs: Any) -> Self:
        self._packed = (None, None)
        return super()._apply(*args, **kwargs)


def _has_onednn() -> bool:
    return torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled


class _Block(nn.Module):
    """A residual block: the last convolution adds the shortcut."""

    def __init__(self, block: BasicBlock | Bottleneck, owns_input: bool) -> None:
        super().__init__()
        numbers = range(1, 3 if isinstance(block, BasicBlock) else 4)
        convs = [FusedConv(getattr(block, f'conv{k}'), getattr(block, f'bn{k}'), relu=True) for k in numbers]
        self.residual = nn.Sequential(*convs[:-1])
        self.last = convs[-1]
        self.downsample = None if block.downsample is None else _sequence(block.downsample)
        # Nobody else reads the output of the block before, or a shortcut convolution's.
        self.overwrite = owns_input or block.downsample is not None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.last(self.residual(x), shortcut, self.overwrite)
        return out


class _Exchange(nn.Module):
    """An exchange unit: strided convolutions add to the sum as they go; a coarse branch is read once for all finer."""

    def __init__(self, unit: Any) -> None:
        super().__init__()
        self.num_outputs = len(unit)
        self.upsample, self.align_corners = unit.upsample, unit.align_corners
        self.down = nn.ModuleList(
            nn.ModuleList(_sequence(path) for path in list(row)[:i]) for i, row in enumerate(unit)
        )
        ups: list[nn.Module] = []
        self.widths: list[list[int]] = []
        for j in range(len(unit[0])):
            convs = [_sequence(unit[i][j])[0] for i in range(min(j, len(unit)))]
            ups.append(_concatenated(convs) if convs else nn.Identity())
            self.widths.append([conv.out_channels for conv in convs])
        self.up = nn.ModuleList(ups)

    def forward(self, xs: Maps) -> Maps:
        ups = [up(x).split(w, 1) if w else () for up, x, w in zip(self.up, xs, self.widths, strict=True)]
        return tuple(self._fuse(i, xs, ups) for i in range(self.num_outputs))

    def _fuse(self, i: int, xs: Maps, ups: list[Any]) -> Tensor:
        total = xs[i]
        for x, path in zip(xs, self.down[i], strict=False):
            # xs[i] itself is still read by other sums; what the first addition gave is this sum's own.
            total = path[-1](path[:-1](x), total, overwrite=total is not xs[i])
        for j in range(i + 1, len(xs)):
            term = resize(ups[j][i], total.shape[-2:], self.upsample, self.align_corners)
            total = total + term if total is xs[i] else total.add_(term)
        return F.relu(total, inplace=total is not xs[i])


class _Module(nn.Module):
    """Branches on CUDA streams of their own, then the exchange unit; on the CPU one after another."""

    def __init__(self, module: HRModule) -> None:
        super().__init__()
        self.branches = module.branches
        self.fuse_layers = module.fuse_layers

    def forward(self, xs: Maps) -> Maps:
        if xs[0].is_cuda and not is_compiling():
            xs = self._side_by_side(xs)
        else:
            xs = tuple(branch(x) for branch, x in zip(self.branches, xs, strict=True))
        return xs if self.fuse_layers is None else self.fuse_layers(xs)

    def _side_by_side(self, xs: Maps) -> Maps:
        main = torch.cuda.current_stream(xs[0].device)
        streams = _streams(xs[0].device, len(xs) - 1)
        outs: list[Tensor] = []
        # Coarse branches first: their small kernels leave room beside which the finest branch, on `main`, can run.
        for stream, branch, x in zip(streams, list(self.branches)[1:], xs[1:], strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                outs.append(branch(x))
        outs.insert(0, self.branches[0](xs[0]))
        for stream in streams:
            main.wait_stream(stream)
        # No record_stream: each side stream's memory is reused on that stream alone, after it has waited for `main`.
        return tuple(outs)


_SIDE_STREAMS: dict[torch.device, list[torch.cuda.Stream]] = {}


def _streams(device: torch.device, number: int) -> list[torch.cuda.Stream]:
    streams = _SIDE_STREAMS.setdefault(device, [])
    while len(streams) < number:
        streams.append(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
    return streams[:number]


def _fused(module: Any, concurrent: bool, owns_input: bool = False) -> Any:
    """What takes the place of a module: by its kind, or else itself with its children replaced."""
    known = all(_is_plain(m) for m in module.modules())
    if known and isinstance(module, BasicBlock | Bottleneck):
        return _Block(module, owns_input)
    if known and isinstance(module, ExchangeUnit) and _is_strided_sum(module):
        return _Exchange(module)
    if known and type(module) is nn.Sequential and (chain := _chain(module)):
        return nn.Sequential(*chain)
    for k, (name, child) in enumerate(list(module.named_children())):
        setattr(module, name, _fused(child, concurrent, owns_input=isinstance(module, nn.Sequential) and k > 0))
    if isinstance(module, HRNet) and all(map(_is_plain, [module.conv1, module.bn1, module.conv2, module.bn2])):
        module.conv1 = FusedConv(module.conv1, module.bn1, relu=True)
        module.conv2 = FusedConv(module.conv2, module.bn2, relu=True)
        module.bn1 = module.bn2 = module.relu = nn.Identity()
    if isinstance(module, StreamMix) and known:
        (conv_name, conv), *rest = module.named_children()
        if rest and isinstance(norm := rest[0][1], _BatchNorm):
            setattr(module, conv_name, FusedConv(conv, norm))
            setattr(module, rest[0][0], nn.Identity())
    if isinstance(module, HRModule) and concurrent:
        return _Module(module)
    if getattr(module, 'order', None) == ('conv', 'norm', 'act') and module.with_norm:
        _fold_conv_module(module)
    return module


def _is_plain(module: nn.Module) -> bool:
    """Whether folding knows a layer; containers are known by what is in them."""
    if next(module.children(), None) is not None:
        return True
    if isinstance(module, _BatchNorm):
        return module.running_mean is not None
    if type(module) is nn.Conv2d:
        return module.padding_mode == 'zeros' and not isinstance(module.padding, str)
    return isinstance(module, nn.ReLU | nn.Identity | FusedConv)


def _is_strided_sum(unit: Any) -> bool:
    """Whether an exchange unit is the paper's, and none of the ablations with products or bilinear downsampling."""
    finer = [conv for i, row in enumerate(unit) for path in list(row)[:i] for conv in path.modules()]
    return unit.combine is torch.add and all(m.stride == (2, 2) for m in finer if isinstance(m, nn.Conv2d))


def _chain(sequence: nn.Module) -> list[FusedConv] | None:
    """The convolutions of a chain, however nested, each with the norm and ReLU behind it; None if it is no chain."""
    links: list[tuple[nn.Conv2d, list[nn.Module]]] = []
    for layer in sequence.modules():
        if isinstance(layer, nn.Conv2d):
            links.append((layer, []))
        elif isinstance(layer, _BatchNorm | nn.ReLU) and links:
            links[-1][1].append(layer)
        elif type(layer) not in (nn.Sequential, nn.Identity):
            return None
    fused = []
    for conv, then in links:
        norm = then.pop(0) if then and isinstance(then[0], _BatchNorm) else None
        relu = bool(then) and isinstance(then.pop(0), nn.ReLU)
        if then:
            return None
        fused.append(FusedConv(conv, norm, relu))
    return fused or None


def _sequence(path: nn.Module) -> nn.Sequential:
    chain = _chain(path)
    assert chain, 'the layers of an exchange unit and of a shortcut are chains'
    return nn.Sequential(*chain)


def _concatenated(convs: Sequence[FusedConv]) -> FusedConv:
    """Convolutions of one kernel size that read the same map as one, outputs side by side."""
    first = convs[0]
    merged = nn.Conv2d(first.in_channels, sum(c.out_channels for c in convs), first.kernel_size, device='meta')
    merged.weight = nn.Parameter(torch.cat([c.weight for c in convs]))
    merged.bias = nn.Parameter(torch.cat([c.bias for c in convs]))
    return FusedConv(merged)


def _fold_conv_module(module: Any) -> None:
    """Folds mmcv's ConvModule, whose forward looks its layers up by name."""
    norm = module.norm
    if not (_is_plain(module.conv) and isinstance(module.conv, nn.Conv2d) and isinstance(norm, _BatchNorm)):
        return
    relu = module.with_activation and type(module.activate) is nn.ReLU
    module.conv = FusedConv(module.conv, norm, relu)
    setattr(module, module.norm_name, nn.Identity())
    module.with_activation = module.with_activation and not relu
