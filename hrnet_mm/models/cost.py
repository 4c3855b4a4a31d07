"""Parameters, multiply-adds (MACs) and output shapes of networks: the only counter of this package."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..errors import UserError
from .hrnet import HRNet
from .layers import StreamMix
from .network import READOUTS, HRNetModel

__all__ = ['Cost', 'Readout', 'count_macs', 'count_parameters', 'macs', 'readouts']


@dataclass
class Cost:
    """MACs that `count_macs` has counted: of convolutions and linear layers, of other products, and those saved.

    `saved` are the MACs that StreamMix would need in addition for one image, were all streams enlarged before it.
    """

    layers: int = 0
    products: int = 0
    saved: int = 0


@contextmanager
def count_macs(module: nn.Module) -> Iterator[Cost]:
    """Counts what runs inside the block, without gradients; the numbers are there when the block ends."""
    cost = Cost()

    def add_saved(_: nn.Module, inputs: Any, out: Tensor) -> None:
        area = out.shape[2:].numel()
        cost.saved += sum(x.shape[1] * out.shape[1] * (area - x.shape[2:].numel()) for x in inputs[0])

    handles = [part.register_forward_hook(add_saved) for part in module.modules() if isinstance(part, StreamMix)]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            yield cost
    finally:
        for handle in handles:
            handle.remove()
    flops = counter.get_flop_counts().get('Global', {})
    # PyTorch's counter counts a multiplication and an addition as two.
    cost.products = sum(n for op, n in flops.items() if op is torch.ops.aten.bmm) // 2
    cost.layers = sum(n for op, n in flops.items() if op is not torch.ops.aten.bmm) // 2


def macs(module: nn.Module, inputs: Iterable[Tensor]) -> int:
    """Multiply-adds of one call."""
    with count_macs(module) as cost:
        module(*inputs)
    return cost.layers + cost.products


def count_parameters(module: nn.Module) -> int:
    """The number of parameters, learned or frozen."""
    return sum(p.numel() for p in module.parameters())


@dataclass(frozen=True)
class Readout:
    """What one readout costs for one image: parameters, MACs (multiply-adds), and the maps that come out, (C, H, W)."""

    name: str
    parameters: int
    macs: int
    shapes: tuple[tuple[int, int, int], ...]


def readouts(arch: str, size: tuple[int, int]) -> tuple[Readout, ...]:
    """The backbone and each of `READOUTS` (hrnet before pooling) for an RGB image of `size` (H, W) pixels.

    Raises ValueError for an unknown architecture or a size below one pixel.
    """
    if min(size) < 1:
        raise UserError(f'the input size must be at least 1 x 1, got {size[0]} x {size[1]}')
    return tuple(_measure(name, arch, size) for name in ('backbone', *READOUTS))


def _measure(name: str, arch: str, size: tuple[int, int]) -> Readout:
    with torch.device('meta'):
        model = HRNet(arch) if name == 'backbone' else HRNetModel(f'{name}_{arch}', num_classes=0)
        model.eval()
        with count_macs(model) as cost:
            image = torch.empty(1, 3, *size)
            maps = model(image) if isinstance(model, HRNet) else model.forward_features(image)
    shapes = tuple((int(m.shape[1]), int(m.shape[2]), int(m.shape[3])) for m in maps)
    return Readout(name, count_parameters(model), cost.layers + cost.products, shapes)
