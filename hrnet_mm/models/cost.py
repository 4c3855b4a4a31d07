"""Parameters, multiply-adds (MACs) and output shapes of networks: the only counter of this package."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from ..errors import UserError
from .hrnet import HRNet
from .layers import StreamMix
from .readouts import HRFuseScales, HRNetV1, HRNetV2, HRNetV2p

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
    # Batch norms count nothing, and on the meta device take more time than all else.
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and _is_meta(part)]
    for norm in norms:
        vars(norm)['forward'] = _identity
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            yield cost
    finally:
        for handle in handles:
            handle.remove()
        for norm in norms:
            del vars(norm)['forward']
    flops = counter.get_flop_counts().get('Global', {})
    # PyTorch's counter counts a multiplication and an addition as two.
    cost.products = sum(n for op, n in flops.items() if op is torch.ops.aten.bmm) // 2
    cost.layers = sum(n for op, n in flops.items() if op is not torch.ops.aten.bmm) // 2


def _is_meta(module: nn.Module) -> bool:
    return any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))


def _identity(x: Tensor) -> Tensor:
    return x


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
    """The backbone and its readouts V1, V2, V2p and C (before pooling) for an RGB image of `size` (H, W) pixels.

    Raises ValueError for an unknown architecture or a size below one pixel.
    """
    if min(size) < 1:
        raise UserError(f'the input size must be at least 1 x 1, got {size[0]} x {size[1]}')
    builders: dict[str, Callable[[], nn.Module]] = {
        'backbone': lambda: HRNet(arch),
        'V1': lambda: HRNetV1(arch),
        'V2': lambda: HRNetV2(arch),
        'V2p': lambda: HRNetV2p(arch),
        'C': lambda: nn.Sequential(HRNet(arch), HRFuseScales(arch=arch)),
    }
    return tuple(_measure(name, build, size) for name, build in builders.items())


def _measure(name: str, build: Callable[[], nn.Module], size: tuple[int, int]) -> Readout:
    with torch.device('meta'):
        model = build().eval()
        with count_macs(model) as cost:
            maps = model(torch.empty(1, 3, *size))
    shapes = tuple((int(m.shape[1]), int(m.shape[2]), int(m.shape[3])) for m in maps)
    return Readout(name, count_parameters(model), cost.layers + cost.products, shapes)
