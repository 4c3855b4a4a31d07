"""Parameters, multiply-adds and output shapes of an architecture, without memory or weights."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .models import HRFuseScales, HRNet, HRNetV1, HRNetV2, HRNetV2p

__all__ = ['Readout', 'readouts']


@dataclass(frozen=True)
class Readout:
    """What one readout costs for one image: parameters, MACs (multiply-adds), and the maps that come out, (C, H, W)."""

    name: str
    parameters: int
    macs: int
    shapes: tuple[tuple[int, int, int], ...]


def readouts(arch: str, size: tuple[int, int]) -> tuple[Readout, ...]:
    """The backbone and its readouts V1, V2, V2p and C (before pooling) for an RGB image of `size` (H, W) pixels.

    Raises ValueError for an unknown architecture or a size below one pixel.
    """
    if min(size) < 1:
        raise ValueError(f'the input size must be at least 1 x 1, got {size[0]} x {size[1]}')
    builders: dict[str, Callable[[], nn.Module]] = {
        'backbone': lambda: HRNet(arch),
        'V1': lambda: HRNetV1(arch),
        'V2': lambda: HRNetV2(arch),
        'V2p': lambda: HRNetV2p(arch),
        'C': lambda: nn.Sequential(HRNet(arch), HRFuseScales(arch=arch)),
    }
    return tuple(_measure(name, build, size) for name, build in builders.items())


def _measure(name: str, build: Callable[[], nn.Module], size: tuple[int, int]) -> Readout:
    with torch.device('meta'), torch.no_grad():
        model = build().eval()
        # PyTorch's counter counts a multiplication and an addition as two.
        with FlopCounterMode(display=False) as counter:
            maps = model(torch.empty(1, 3, *size))
    shapes = tuple((int(m.shape[1]), int(m.shape[2]), int(m.shape[3])) for m in maps)
    return Readout(name, sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2, shapes)
