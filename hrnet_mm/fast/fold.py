"""Inference form of a network: equal outputs to rounding, without batch norms."""

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights
from typing_extensions import Self

from ..errors import UserError
from ..models.hrnet import HRModule, HRNet, Maps
from ..models.layers import BasicBlock, Bottleneck, StreamMix, is_compiling

__all__ = ['Folded', 'fold', 'folded_parameters']


def fold(module: nn.Module, concurrent: bool = False) -> 'Folded':
    """Fold each batch norm of a module into the convolution before it.

    The modules of this package, `nn.Sequential` and mmcv's ConvModule are folded; any other layer stays as it is.

    Args:
        module: A network or a part of one; it stays as it is and shares its parameters.
        concurrent: Whether branches run on CUDA streams of their own, on a GPU.

    Returns:
        A module with the same outputs, for inference, that loads and saves the same checkpoints.

    Examples:
        >>> from hrnet_mm import create_model
        >>> folded = fold(create_model('hrnetv1_test-w8').eval())
        >>> [type(module).__name__ for module in folded.network.backbone.children()][:4]
        ['Conv2d', 'Identity', 'Conv2d', 'Identity']
    """
    return Folded(module, concurrent)


class Folded(nn.Module):
    """A module that computes in its inference form, and loads and saves the ordinary checkpoint.

    It holds the parameters of the module it was made from, under their names. `network`, a folded copy that is made
    anew when a checkpoint is loaded, does the work, so weights take their memory twice. Other attributes are those of
    the module.
    """

    def __init__(self, source: nn.Module, concurrent: bool = False) -> None:
        super().__init__()
        self._modules = source._modules
        self._parameters = source._parameters
        self._buffers = source._buffers
        self.training = False
        self._build = lambda: _folded(deepcopy(source).eval().requires_grad_(False), concurrent)
        # Unregistered: only the source's parameters are this module's.
        object.__setattr__(self, 'source', source)
        self.refold()
        self.register_load_state_dict_post_hook(lambda *_: self.refold())

    def refold(self) -> None:
        """Fold again, after the parameters have changed by other means than `load_state_dict`."""
        object.__setattr__(self, 'network', self._build())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the module it was made from."""
        return self.network(*args, **kwargs)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode.

        Raises:
            UserError: It is to be trained.
        """
        if mode:
            raise UserError('a folded network cannot be trained; train the one it was made from, then fold that')
        return super().train(False)

    def apply(self, fn: Any) -> Self:
        """Apply a function to every submodule, and fold again."""
        super().apply(fn)
        self.refold()
        return self

    def _apply(self, *args: Any, **kwargs: Any) -> Self:
        self.network._apply(*args, **kwargs)
        return super()._apply(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__['source'], name)


def folded_parameters(module: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and buffers of a module's folded form by their names, without making it.

    Returns:
        Them, but for the weights with a batch norm behind them: these are the module's own; and the factors of those
        weights, `(outputs, 1, 1, 1)` each.
    """
    found, factors = {**dict(module.named_parameters()), **dict(module.named_buffers())}, {}
    with torch.no_grad():
        for path, part in module.named_modules():
            prefix = f'{path}.' if path else ''
            for name, conv, _, norm in _foldable(part):
                ones = torch.ones_like(conv.weight[:, :1, :1, :1])
                given = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
                factor, bias = fuse_conv_bn_weights(ones, conv.bias, *given)
                found[f'{prefix}{name}.bias'], factors[f'{prefix}{name}.weight'] = bias, factor
    return found, factors


def _folded(network: nn.Module, concurrent: bool) -> nn.Module:
    for module in list(network.modules()):
        for name, conv, norm_name, norm in _foldable(module):
            setattr(module, name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())
        for name, child in module.named_children():
            if concurrent and isinstance(child, HRModule):
                setattr(module, name, _Concurrent(child))
    return network


def _foldable(module: nn.Module) -> list[tuple[str, nn.Conv2d, str, _BatchNorm]]:
    """The convolutions among a module's children that have a batch norm behind them, with the names of both."""
    if not _is_chain(module):
        return []
    return [
        (name, conv, norm_name, norm)
        for (name, conv), (norm_name, norm) in pairwise(module.named_children())
        if _is_conv(conv) and isinstance(norm, _BatchNorm) and norm.running_mean is not None
    ]


def _is_chain(module: nn.Module) -> bool:
    """Whether a batch norm that is listed behind a convolution is applied to its output."""
    if isinstance(module, BasicBlock | Bottleneck | HRNet | StreamMix):
        return True
    # mmcv's ConvModule has an order.
    return type(module).forward is nn.Sequential.forward or getattr(module, 'order', None) == ('conv', 'norm', 'act')


def _is_conv(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is an ordinary convolution; one with spectral norm has no parameter called `weight`."""
    return type(module) is nn.Conv2d and 'weight' in dict(module.named_parameters())


class _Concurrent(nn.Module):
    """A module whose branches run on CUDA streams of their own; on the CPU and in graphs one after another."""

    def __init__(self, module: HRModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, xs: Maps) -> Maps:
        if not xs[0].is_cuda or is_compiling():
            return self.module(xs)
        main = torch.cuda.current_stream(xs[0].device)
        streams = _streams(xs[0].device, len(xs) - 1)
        first, *others = self.module.branches
        outs: list[Tensor] = []
        # Coarse branches first: their small kernels leave room beside which the finest branch, on `main`, can run.
        for stream, branch, x in zip(streams, others, xs[1:], strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                outs.append(branch(x))
        outs.insert(0, first(xs[0]))
        for stream in streams:
            main.wait_stream(stream)
        # No record_stream: each side stream's memory is reused on that stream alone, after it has waited for `main`.
        unit = self.module.fuse_layers
        return tuple(outs) if unit is None else unit(tuple(outs))


_SIDE_STREAMS: dict[torch.device, list[torch.cuda.Stream]] = {}


def _streams(device: torch.device, number: int) -> Sequence[torch.cuda.Stream]:
    streams = _SIDE_STREAMS.setdefault(device, [])
    while len(streams) < number:
        streams.append(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
    return streams[:number]
