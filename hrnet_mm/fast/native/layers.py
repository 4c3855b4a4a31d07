"""Layers in training by the native kernels: 3x3 convolutions of stride 1, and batch norm with a sum and ReLU behind it.

PyTorch computes where the kernels cannot, or are not meant to: without gradients (so that networks are exported and
traced as ever), in other types than float32 (which includes autocast), on a GPU, and in compiled graphs.
"""

import ctypes
from ctypes import POINTER, c_float, c_int, c_void_p
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ...models.layers import is_compiling
from . import library
from .build import BuildError

__all__ = ['convolve', 'kernels', 'normalize']

_MOST_CHANNELS = 1 << 14  # as in vector.cpp


class _NormForward(ctypes.Structure):
    _fields_ = [
        *((name, library.Map) for name in ('x', 'y', 'shortcut')),
        *((name, c_void_p) for name in ('scale', 'shift', 'mean', 'inverse', 'running_mean', 'running_variance')),
        ('epsilon', c_float),
        ('momentum', c_float),
    ]


class _NormBackward(ctypes.Structure):
    _fields_ = [
        *((name, library.Map) for name in ('x', 'y', 'gradient', 'to', 'to_shortcut')),
        *((name, c_void_p) for name in ('scale', 'mean', 'inverse', 'to_scale', 'to_shift')),
    ]


_ARGUMENTS = {
    'convolve': [POINTER(library.Map), POINTER(library.Map), POINTER(library.Filters), c_int, c_int],
    'filter_gradient': [POINTER(library.Map), POINTER(library.Map), POINTER(library.Filters), c_int, c_int],
    'normalize': [POINTER(_NormForward), c_int],
    'normalize_gradient': [POINTER(_NormBackward), c_int],
}


@cache
def kernels() -> tuple[Any, str]:
    """The kernels of this CPU or None, and their instruction set or why there are none."""
    able = [name for name in library.instruction_sets() if name != 'amx']  # which has none for training
    if not able:
        return None, 'this CPU has none of their instruction sets'
    try:
        loaded = library.library(able[0])
    except BuildError as error:
        return None, str(error)
    for function, arguments in _ARGUMENTS.items():
        getattr(loaded, f'hrnet_mm_{function}').argtypes = arguments
        getattr(loaded, f'hrnet_mm_{function}').restype = None
    return loaded, able[0]


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 3x3 convolution of stride 1 with padding 1, in the place of `nn.Conv2d._conv_forward`."""
    if not (_computable(x, weight) and _tile(x, weight)):
        return F.conv2d(x, weight, bias, padding=1)
    y: Tensor = _Convolution.apply(x, weight)
    return y if bias is None else y + bias[:, None, None]


def normalize(norm: nn.BatchNorm2d, x: Tensor, shortcut: Tensor | None) -> Tensor:
    """ReLU of `norm(x)`, or of its sum with a shortcut."""
    if not (
        norm.training
        and norm.affine
        and _computable(x, norm.weight)
        and x.shape[1] % _lanes() == 0
        and x.numel() > x.shape[1]
        and (shortcut is None or (shortcut.shape == x.shape and shortcut.dtype == x.dtype))
    ):
        return F.relu(norm(x) if shortcut is None else norm(x) + shortcut, inplace=True)
    momentum = norm.momentum or 0.0
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if norm.momentum is None:
            momentum = 1 / float(norm.num_batches_tracked)
    running = norm.running_mean, norm.running_var
    y: Tensor = _Norm.apply(x, norm.weight, norm.bias, shortcut, running, norm.eps, momentum)
    return y


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _convolved(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_input, of_weight = ctx.needs_input_grad
        gradient = _whole(gradient)
        return (
            _convolved(gradient, weight, turned=True) if of_input else None,
            _weight_gradient(_whole(x), gradient, weight) if of_weight else None,
        )


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor,
        shift: Tensor,
        shortcut: Tensor | None,
        running: Any,
        epsilon: float,
        momentum: float,
    ) -> Tensor:
        x = _whole(x)
        y, mean, inverse = torch.empty_like(x), torch.empty_like(scale), torch.empty_like(scale)
        if shortcut is not None:
            shortcut = _whole(shortcut)
        addresses = (None if t is None else t.data_ptr() for t in (scale, shift, mean, inverse, *running))
        norm = _NormForward(_map(x), _map(y), _map(shortcut), *addresses, epsilon, momentum)
        kernels()[0].hrnet_mm_normalize(norm, torch.get_num_threads())
        ctx.save_for_backward(x, y, scale, mean, inverse)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        x, y, scale, mean, inverse = ctx.saved_tensors
        gradient = _whole(gradient)
        of_x, of_scale, of_shift, of_shortcut, *_ = ctx.needs_input_grad
        to, to_scale, to_shift = torch.empty_like(x), torch.empty_like(scale), torch.empty_like(scale)
        to_shortcut = torch.empty_like(x) if of_shortcut else None
        addresses = (t.data_ptr() for t in (scale, mean, inverse, to_scale, to_shift))
        maps = (_map(t) for t in (x, y, gradient, to, to_shortcut))
        kernels()[0].hrnet_mm_normalize_gradient(_NormBackward(*maps, *addresses), torch.get_num_threads())
        return (
            to if of_x else None,
            to_scale if of_scale else None,
            to_shift if of_shift else None,
            to_shortcut,
            None,
            None,
            None,
        )


def _computable(x: Tensor, weight: Tensor) -> bool:
    return (
        not is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]
        and type(x) is Tensor
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == 'cpu'
        and torch.is_grad_enabled()
        and (x.requires_grad or weight.requires_grad)
        and x.dim() == 4
        and x.numel() > 0
        and kernels()[0] is not None
    )


@cache
def _lanes() -> int:
    return int(kernels()[0].hrnet_mm_lanes())


def _padded(channels: int) -> int:
    return channels + -channels % _lanes()


def _tile(x: Tensor, weight: Tensor) -> int:
    """The tile of Winograd's filtering that needs the fewest products; 0 where the sum as written does."""
    (n, _, h, w), (outputs, inputs) = x.shape, weight.shape[:2]
    if max(_padded(outputs), _padded(inputs)) > _MOST_CHANNELS:
        return 0
    products = {0: 9 * n * h * w * outputs * inputs}
    for tile in (2, 4):
        products[tile] = (tile + 2) ** 2 * n * -(-h // tile) * -(-w // tile) * _padded(outputs) * _padded(inputs)
    return min(products, key=lambda tile: products[tile])


def _whole(x: Tensor) -> Tensor:
    """A map in channels_last format, its channels padded with zeros to whole vectors."""
    missing = -x.shape[1] % _lanes()
    return (F.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x).contiguous(memory_format=torch.channels_last)


def _map(x: Tensor | None) -> library.Map:
    if x is None:
        return library.Map()
    n, c, h, w = x.shape
    return library.Map(n, h, w, c, c, x.data_ptr())


def _filters(weight: Tensor, turned: bool = False) -> library.Filters:
    (outputs, inputs), (o, i, y, x) = weight.shape[:2], weight.stride()
    if not turned:
        return library.Filters(weight.data_ptr(), outputs, inputs, (o, i, y, x))
    last = weight.data_ptr() + 2 * (y + x) * weight.element_size()
    return library.Filters(last, inputs, outputs, (i, o, -y, -x))


def _convolved(x: Tensor, weight: Tensor, turned: bool = False) -> Tensor:
    x = _whole(x)
    n, _, h, w = x.shape
    filters = _filters(weight, turned)
    y = torch.empty((n, _padded(filters.outputs), h, w), memory_format=torch.channels_last)
    kernels()[0].hrnet_mm_convolve(_map(x), _map(y), filters, _tile(x, weight), torch.get_num_threads())
    return y[:, : filters.outputs].contiguous(memory_format=torch.channels_last)


def _weight_gradient(x: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    result = torch.empty_like(weight)
    kernels()[0].hrnet_mm_filter_gradient(
        _map(x), _map(gradient), _filters(result), _tile(x, weight), torch.get_num_threads()
    )
    return result
