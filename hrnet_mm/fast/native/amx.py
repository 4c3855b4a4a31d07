"""Maps and weights as amx.cpp reads them."""

from ctypes import c_void_p
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from . import library
from .lowering import Conv, Map
from .memory import CACHE_LINE, Memory

__all__ = ['Matrix']

_TILE, _DEPTH, _BLOCK = 16, 32, 2  # as in amx.cpp


class Matrix:
    """Maps in rows with zeros between them, which convolutions read as `parts` bfloat16 numbers each."""

    def __init__(self, parts: int) -> None:
        self._parts = parts

    def kind(self, root: Map) -> Any:
        """Only maps of one shape share a buffer, as nothing ever writes the zeros between rows."""
        return root.shape, root.split

    def sizes(self, root: Map) -> tuple[int, int, int]:
        """With the zeros that convolutions read around a map, and what tiles read beyond its end."""
        n, c, h, w = root.shape
        pitch, size = w + 1, c * (2 if root.split else 4)
        after = (n * (h + 1) * pitch + _BLOCK * _TILE + pitch) * size + 2 * CACHE_LINE
        return (self._parts if root.split else 1), (pitch + 1) * size, after

    def positions(self, m: Map) -> list[int]:
        """The places of a map's channels in a pixel."""
        return list(range(m.shape[1]))

    def map(self, m: Map, memory: Memory) -> library.Map:
        """The map as the kernels see it."""
        n, c, h, w = m.shape
        width = 2 if m.root.split else 4
        addresses = [b + width * m.channel for b in memory[m.root]]
        full, split = (0, addresses) if m.root.split else (addresses[0], [])
        return library.Map(n, h, w, c, m.root.shape[1], full, (c_void_p * 3)(*split))

    def weights(self, op: Conv, memory: Memory) -> dict[str, Any]:
        """A convolution's weights and bias, and how it reads its input."""
        kernel, step, pitch = op.weight.shape[-1], op.source.root.shape[1], op.source.shape[3] + 1
        reach = range(-op.padding, kernel - op.padding)
        weight = op.whole_weight.permute(2, 3, 1, 0)  # row, column, input, output
        if not op.is_direct:
            starts = [0]
            weight = weight.flatten(0, 2)[None]
        elif op.source.shape[1] == step:  # the taps of a row follow one another in memory
            starts = [(y * pitch + reach[0]) * step for y in reach]
            weight = weight.flatten(1, 2)
        else:
            starts = [(y * pitch + x) * step for y in reach for x in reach]
            weight = weight.flatten(0, 1)
        runs = (library.Run * len(starts))(*((start, -(-weight.shape[1] // _DEPTH)) for start in starts))
        bias = F.pad(op.bias.float(), (0, -len(op.bias) % (_BLOCK * _TILE)))
        return {
            'weight': memory.hold(_pack(weight, self._parts)),
            'bias': memory.hold(bias),
            'gather': not op.is_direct,
            'run_count': len(runs),
            'runs': runs,
        }


def _pack(weight: Tensor, parts: int) -> Tensor:
    """`(runs, inputs, outputs)` in the order in which amx.cpp reads tiles, pairs of inputs side by side."""
    weight = weight.float()
    weight = F.pad(weight, (0, -weight.shape[2] % _TILE, 0, -weight.shape[1] % _DEPTH)).flatten(0, 1)
    split = []
    for _ in range(parts):
        split.append(weight.bfloat16())
        weight = weight - split[-1].float()
    tiles = torch.stack(split[::-1]).unflatten(2, (-1, _TILE)).unflatten(1, (-1, _DEPTH // 2, 2))
    # part, depth, pair, of a pair, output tile, output -> depth, part, output tile, pair, output, of a pair
    tiles = tiles.permute(1, 0, 4, 2, 5, 3)
    return torch.cat([block.flatten() for block in tiles.split(_BLOCK, dim=2)])
