"""Maps and weights as vector.cpp reads them."""

from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from . import library
from .lowering import Conv, Input, Map, Op, Sum
from .memory import Memory

__all__ = ['Vectors']

_MOST_CHANNELS = 1 << 14  # as in vector.cpp

_FROM_MEMORY = 12
"""Products by a vector of weights in the time in which it comes from memory."""


class Vectors:
    """Maps whose channels fill whole vectors: every slice of a map begins with one, and zeros follow its channels."""

    def __init__(self, ops: list[Op], lanes: int, vectors: int) -> None:
        self._lanes, self._group = lanes, lanes * vectors
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
        return root if root in self._inputs else self.sizes(root)

    def sizes(self, root: Map) -> tuple[int, int, int]:
        """The bytes of a map."""
        n, _, h, w = root.shape
        return 1, 0, n * h * w * self._step(root) * 4

    def positions(self, m: Map) -> list[int]:
        """The places of a map's channels in a pixel."""
        places = self._positions(m)
        return [p - places[0] for p in places]

    def map(self, m: Map, memory: Memory) -> library.Map:
        """The map as the kernels see it."""
        n, _, h, w = m.shape
        first, last = self._positions(m)[0], self._positions(m)[-1]
        filled = last - first + 1 if m.root in self._narrow else self._padded(last - first + 1)
        return library.Map(n, h, w, filled, self._step(m.root), memory[m.root][0] + 4 * first)

    def weights(self, op: Conv, memory: Memory) -> dict[str, Any]:
        """A convolution's weights and bias, and how it is computed."""
        inputs, outputs = self.positions(op.source), self.positions(op.out)
        tile = self._tile(op)
        depth = self._padded(inputs[-1] + 1) if tile else inputs[-1] + 1
        if depth > _MOST_CHANNELS:
            raise ValueError(f'the native engine reads maps of at most {_MOST_CHANNELS} channels, got {depth}')
        points = _transformed(op.weight, tile) if tile else op.weight.flatten(2).permute(2, 1, 0)
        weight = torch.zeros(len(points), depth, self._padded(outputs[-1] + 1))
        weight[:, torch.tensor(inputs)[:, None], torch.tensor(outputs)] = points.float()
        bias = torch.zeros(weight.shape[2])
        bias[outputs] = op.bias.float()
        panels = torch.cat([panel.flatten() for panel in weight.split(self._group, dim=2)])
        return {'weight': memory.hold(panels), 'bias': memory.hold(bias), 'depth': depth, 'tile': tile}

    def _tile(self, op: Conv) -> int:
        """The tile of Winograd's filtering that needs the fewest products, or 0 where the sum as written does."""
        if not self._may_filter(op) or op.source.root in self._narrow:
            return 0
        n, _, h, w = op.out.shape
        rows = {0: (9, n * h * w)}
        rows |= {tile: ((tile + 2) ** 2, n * -(-h // tile) * -(-w // tile)) for tile in (2, 4)}
        return min(rows, key=lambda tile: rows[tile][0] * max(rows[tile][1], _FROM_MEMORY))

    @staticmethod
    def _may_filter(op: Conv) -> bool:
        return op.is_direct and op.weight.shape[-1] == 3

    def _in_vectors(self, op: Op) -> list[Map]:
        """The maps that an operation reads in whole vectors."""
        if isinstance(op, Conv):
            return [*_alike(op), *([op.source] if self._may_filter(op) and op.source.shape[1] >= self._lanes else [])]
        return _alike(op)

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


@cache
def _filter_matrix(tile: int) -> Tensor:
    """The transform of a row of three weights; its points are those of vector.cpp, the last one infinity."""
    points = {2: [0.0, 1.0, -1.0], 4: [0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)]}[tile]
    rows = []
    for p in points:
        scale = 1.0
        for q in points:
            scale *= p - q if p != q else 1.0
        rows.append([1 / scale, p / scale, p * p / scale])
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


def _transformed(weight: Tensor, tile: int) -> Tensor:
    """From `(outputs, inputs, 3, 3)` to `(points, inputs, outputs)`."""
    matrix = _filter_matrix(tile)
    return (torch.kron(matrix, matrix) @ weight.double().flatten(2).permute(2, 1, 0).flatten(1)).view(
        -1, weight.shape[1], weight.shape[0]
    )
