"""Maps and weights as vector.cpp reads them."""

import ctypes
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from . import library
from .lowering import Conv, Input, Map, Op, Output, Sum
from .memory import Memory
from .quantize import Bytes, quantized_weight

__all__ = ['Vectors']

_MOST_CHANNELS = 1 << 14  # as in vector.cpp

_FROM_MEMORY = 12
"""Products by a vector of weights in the time in which it comes from memory."""


class Vectors:
    """Maps whose channels fill whole vectors: every slice of a map begins with one, and zeros follow its channels."""

    def __init__(self, ops: list[Op], kernels: Any, quantized: Mapping[Conv, Bytes]) -> None:
        self._kernels, self._lanes = kernels, kernels.hrnet_mm_lanes()
        self._quantized = quantized
        self._bytes = {op.source.root: given for op, given in quantized.items()}  # the maps that are read as bytes
        self._full = {m.root for op in ops for m in self._in_numbers(op)}
        self._cuts: dict[Map, set[int]] = {}  # where a root's slices begin and end
        self._places: dict[Map, list[int]] = {}  # of a root's channels in a pixel
        self._inputs = {op.out for op in ops if isinstance(op, Input)}
        wide = {m.root for op in ops for m in self._in_vectors(op)}
        self._narrow = {m for m in self._inputs if m.root not in wide}
        maps = [m for op in ops for m in _maps(op)]
        for m in maps:
            cuts = self._cuts.setdefault(m.root, {0, m.root.shape[1]})
            cuts.update((m.channel, m.channel + m.shape[1]))
        pairs = [(op.out, m) for op in ops for m in _alike(op)]
        while any(self._align(a, b) for a, b in pairs):
            pass

    def kind(self, root: Map) -> Any:
        """Maps share a buffer if they are as large; an input writes no zeros behind its channels, and has its own."""
        return root if root in self._inputs else (self.sizes(root), self._numbers(root))

    def sizes(self, root: Map) -> tuple[int, int, int]:
        """The bytes of a map."""
        return 1, 0, self._numbers(root) + (self._places_of(root) if root in self._bytes else 0)

    def positions(self, m: Map) -> list[int]:
        """The places of a map's channels in a pixel."""
        places = self._positions(m)
        return [p - places[0] for p in places]

    def map(self, m: Map, memory: Memory) -> library.Map:
        """The map as the kernels see it."""
        n, _, h, w = m.shape
        first, last = self._positions(m)[0], self._positions(m)[-1]
        filled = last - first + 1 if m.root in self._narrow else self._padded(last - first + 1)
        placed = library.Map(n, h, w, filled, self._step(m.root))
        if m.root in self._full:
            placed.full = memory[m.root][0] + 4 * first
        if given := self._bytes.get(m.root):
            placed.bytes = memory[m.root][0] + self._numbers(m.root) + first
            placed.inverse, placed.zero = 1 / given.scale, given.zero
        return placed

    def weights(self, op: Conv, memory: Memory) -> dict[str, Any]:
        """A convolution's weights and bias, and how it is computed."""
        inputs, outputs = self.positions(op.source), self.positions(op.out)
        if given := self._quantized.get(op):
            return self._weights_of_bytes(op, given, memory)
        tile = self._tile(op)
        depth = self._padded(inputs[-1] + 1) if tile else inputs[-1] + 1
        if depth > _MOST_CHANNELS:
            raise ValueError(f'the native engine reads maps of at most {_MOST_CHANNELS} channels, got {depth}')
        weight = self._packed(op, depth, tile, memory)
        return {'weight': weight, 'bias': memory.hold(self._placed(op.bias, outputs)), 'depth': depth, 'tile': tile}

    def _packed(self, op: Conv, depth: int, tile: int, memory: Memory) -> int:
        """The address of weights in the order in which kernels read them."""
        weight, factor = op.weight.float().flatten(2), op.factor
        inputs, outputs = self.positions(op.source), self.positions(op.out)
        if (last := (outputs[-1] + 1, inputs[-1] + 1)) != weight.shape[:2]:  # there are zeros between channels
            weight = weight.new_zeros(*last, weight.shape[2])
            weight[torch.tensor(outputs)[:, None], torch.tensor(inputs)] = op.whole_weight.float().flatten(2)
            factor = None
        if weight.stride(2) != 1:
            weight = weight.contiguous()
        taps, vectors = weight.shape[2], self._padded(len(weight)) // self._lanes
        address = memory.take(4 * ((tile + 2) ** 2 if tile else taps) * depth * vectors * self._lanes)
        filters = library.Filters(weight.data_ptr(), *weight.shape[:2], (*weight.stride()[:2], 3, 1))
        if factor is not None:
            factor = factor.float().contiguous()
            filters.factor = factor.data_ptr()
        self._kernels.hrnet_mm_pack(
            ctypes.byref(filters), taps, tile, depth, vectors, ctypes.c_void_p(address), torch.get_num_threads()
        )
        return address

    def _weights_of_bytes(self, op: Conv, given: Bytes, memory: Memory) -> dict[str, Any]:
        inputs, outputs = self.positions(op.source), self.positions(op.out)
        depth = inputs[-1] + 1 + -(inputs[-1] + 1) % 4
        whole, scale = quantized_weight(op.whole_weight)
        scale = scale * given.scale
        weight = torch.zeros(op.weight[0, 0].numel(), depth, self._padded(outputs[-1] + 1), dtype=torch.int8)
        points = whole.flatten(2).permute(2, 1, 0)
        weight[:, torch.tensor(inputs)[:, None], torch.tensor(outputs)] = points.to(torch.int8)
        fours = weight.unflatten(1, (-1, 4)).transpose(2, 3).contiguous().view(torch.int32)[..., 0]
        group = self._lanes * self._kernels.hrnet_mm_vectors()
        bias = op.bias.double() + given.shift - given.zero * scale * whole.flatten(1).double().sum(1)
        return {
            'weight': memory.hold(torch.cat([panel.flatten() for panel in fours.split(group, dim=2)])),
            'bias': memory.hold(self._placed(bias, outputs)),
            'scales': memory.hold(self._placed(scale, outputs)),
            'depth': depth // 4,
        }

    def _placed(self, x: Tensor, positions: list[int]) -> Tensor:
        placed = torch.zeros(self._padded(positions[-1] + 1))
        placed[positions] = x.float()
        return placed

    def _tile(self, op: Conv) -> int:
        """The tile of Winograd's filtering that needs the fewest products, or 0 where the sum as written does."""
        if not op.may_filter or op.source.root in self._narrow:
            return 0
        n, _, h, w = op.out.shape
        rows = {0: (9, n * h * w)}
        rows |= {tile: ((tile + 2) ** 2, n * -(-h // tile) * -(-w // tile)) for tile in (2, 4)}
        return min(rows, key=lambda tile: rows[tile][0] * max(rows[tile][1], _FROM_MEMORY))

    def _in_vectors(self, op: Op) -> list[Map]:
        """The maps that an operation reads in whole vectors, or four bytes at a time."""
        if isinstance(op, Conv):
            wide = op in self._quantized or (op.may_filter and op.source.shape[1] >= self._lanes)
            return [*_alike(op), *([op.source] if wide else [])]
        return _alike(op)

    def _in_numbers(self, op: Op) -> list[Map]:
        """The maps that an operation reads as float32 numbers."""
        if isinstance(op, Output):
            return [op.out]
        return [*_alike(op), *([op.source] if isinstance(op, Conv) and op not in self._quantized else [])]

    def _align(self, a: Map, b: Map) -> bool:
        """Give two maps that are added the same cuts; whether one has got more."""
        cuts = [{c - m.channel for c in self._cuts[m.root] if 0 <= c - m.channel <= m.shape[1]} for m in (a, b)]
        for m in (a, b):
            self._cuts[m.root].update(m.channel + c for c in cuts[0] | cuts[1])
        return cuts[0] != cuts[1]

    def _padded(self, channels: int) -> int:
        return channels + -channels % self._lanes

    def _positions(self, m: Map) -> list[int]:
        """The places of a map's channels in its root."""
        places = self._places.get(m.root)
        if places is None:
            places = self._places[m.root] = []
            for first, end in pairwise(sorted(self._cuts[m.root])):
                start = first if m.root in self._narrow else self._padded(places[-1] + 1 if places else 0)
                places += range(start, start + end - first)
        return places[m.channel : m.channel + m.shape[1]]

    def _places_of(self, root: Map) -> int:
        n, _, h, w = root.shape
        return n * h * w * self._step(root)

    def _numbers(self, root: Map) -> int:
        """The bytes of a map's float32 numbers."""
        return 4 * self._places_of(root) if root in self._full else 0

    def _step(self, root: Map) -> int:
        places = self._positions(root)
        return places[-1] + 1 if root in self._narrow else self._padded(places[-1] + 1)


def _maps(op: Op) -> list[Map]:
    return [op.out, *([op.source] if isinstance(op, Conv) else []), *_alike(op)]


def _alike(op: Op) -> list[Map]:
    """The maps that are added to an operation's output, or are it."""
    if isinstance(op, Conv):
        return [] if op.residual is None else [op.residual]
    return [t.map for t in op.terms] if isinstance(op, Sum) else []
