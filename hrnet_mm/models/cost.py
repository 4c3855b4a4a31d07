"""Parameters, multiply-adds (MACs) and output shapes of networks; every count in this package comes from here."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ..errors import UserError
from .hrnet import HRNet
from .layers import StreamMix
from .network import READOUTS, HRNetModel

__all__ = ['Cost', 'Readout', 'count_macs', 'count_parameters', 'macs', 'readouts']


@dataclass
class Cost:
    """MACs counted by `count_macs`.

    Attributes:
        layers: MACs of convolutions and linear layers.
        products: MACs of batched matrix products, such as attention.
        saved: MACs that StreamMix avoids for one image, compared with upsampling all branches first.
    """

    layers: int = 0
    products: int = 0
    saved: int = 0


@contextmanager
def count_macs(module: nn.Module) -> Iterator[Cost]:
    """Count the MACs of everything that runs inside the `with` block, without gradients.

    Args:
        module: The network whose StreamMix layers are observed for `Cost.saved`.

    Yields:
        The counts, which are filled in when the block ends.

    Examples:
        >>> from hrnet_mm.models import HRNet
        >>> with torch.device('meta'):
        ...     model = HRNet('w32')
        ...     with count_macs(model) as cost:
        ...         _ = model(torch.empty(1, 3, 256, 192))
        >>> round(cost.layers / 2**30, 2)
        7.2
    """
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
        with torch.no_grad(), _Flops() as counter:
            yield cost
    finally:
        for handle in handles:
            handle.remove()
        for norm in norms:
            del vars(norm)['forward']
    # PyTorch counts a multiplication and an addition as two.
    cost.products = counter.flops.pop(torch.ops.aten.bmm, 0) // 2
    cost.layers = sum(counter.flops.values()) // 2


class _Flops(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """PyTorch's counts by operator, without those by module, which take FlopCounterMode most of the time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops: dict[Any, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        operator = func.overloadpacket
        if operator in flop_registry:
            self.flops[operator] = self.flops.get(operator, 0) + flop_registry[operator](*args, **kwargs, out_val=out)
        return out


def _is_meta(module: nn.Module) -> bool:
    return any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))


def _identity(x: Tensor) -> Tensor:
    return x


def macs(module: nn.Module, inputs: Iterable[Tensor]) -> int:
    """Return the multiply-adds of one forward pass.

    Args:
        module: The network.
        inputs: Its arguments.

    Returns:
        The MACs of convolutions, linear layers and batched matrix products.

    Examples:
        >>> macs(nn.Linear(10, 3), [torch.zeros(1, 10)])
        30
    """
    with count_macs(module) as cost:
        module(*inputs)
    return cost.layers + cost.products


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters, trainable or frozen.

    Args:
        module: The network.

    Examples:
        >>> count_parameters(nn.Linear(10, 3))
        33
    """
    return sum(p.numel() for p in module.parameters())


@dataclass(frozen=True)
class Readout:
    """The cost of one readout for one image.

    Attributes:
        name: 'backbone', or a key of `READOUTS`.
        parameters: The number of parameters.
        macs: Multiply-adds.
        shapes: The output maps, (C, H, W) each.
    """

    name: str
    parameters: int
    macs: int
    shapes: tuple[tuple[int, int, int], ...]


def readouts(arch: str, size: tuple[int, int]) -> tuple[Readout, ...]:
    """Measure the backbone and each of `READOUTS` (hrnet before pooling) for one RGB image.

    Args:
        arch: The name of an architecture.
        size: Height and width of the image in pixels.

    Returns:
        One entry for the backbone and each readout.

    Raises:
        UserError: The architecture is unknown, or a side is shorter than one pixel.

    Examples:
        >>> [readout.shapes[0] for readout in readouts('w18', (224, 224))]
        [(18, 56, 56), (2048, 7, 7), (18, 56, 56), (270, 56, 56), (256, 56, 56)]
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
