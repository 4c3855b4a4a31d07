"""The memory of a compiled network: its weights, and maps that share buffers."""

import mmap
from collections import defaultdict
from contextlib import suppress
from typing import Any, Protocol

import torch
from torch import Tensor

from .lowering import Conv, Map, Op

__all__ = ['CACHE_LINE', 'Layout', 'Memory']

CACHE_LINE = 64  # bytes
_CHUNK = 1 << 26  # bytes


class Layout(Protocol):
    """How maps lie in memory."""

    def kind(self, root: Map) -> Any:
        """What two maps have in common that may share a buffer at different times."""

    def sizes(self, root: Map) -> tuple[int, int, int]:
        """The number of a map's buffers, and the bytes of each before its first pixel and from there on."""


class _Arena:
    """Zeroed memory in huge pages: with small ones, every tile of weights costs a look-up of its page."""

    def __init__(self) -> None:
        self._chunks: list[Tensor] = []
        self._used = 0  # bytes of the last chunk

    def take(self, size: int) -> Tensor:
        """`size` bytes, aligned to a cache line."""
        if not self._chunks or self._used + size > len(self._chunks[-1]):
            memory = mmap.mmap(-1, max(size, _CHUNK), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            with suppress(OSError):  # a kernel without huge pages
                memory.madvise(mmap.MADV_HUGEPAGE)
            self._chunks.append(torch.frombuffer(memory, dtype=torch.uint8))
            self._used = 0
        start = self._used
        self._used += size + -size % CACHE_LINE
        return self._chunks[-1][start : start + size]


class Memory:
    """The addresses of maps and weights; maps of a kind share a buffer if they are never needed at the same time."""

    def __init__(self, ops: list[Op], layout: Layout) -> None:
        self._layout = layout
        self._arena = _Arena()
        self._buffers: dict[Map, list[int]] = {}  # root map to the addresses of its first pixel
        self._slots: dict[Any, list[tuple[int, list[int]]]] = defaultdict(list)  # the level of the last use, buffers
        for op in ops:
            root = op.out.root
            if root not in self._buffers:
                self._buffers[root] = self._find(op, root)
                self._slots[layout.kind(root)].append((max(root.read + root.written), self._buffers[root]))

    def __getitem__(self, root: Map) -> list[int]:
        return self._buffers[root]

    def hold(self, x: Tensor) -> int:
        """Copy a tensor and return the address of its first number."""
        memory = self._arena.take(x.nbytes)
        memory.view(x.dtype).copy_(x.flatten())
        return memory.data_ptr()

    def take(self, size: int) -> int:
        """The address of `size` bytes to be written."""
        return self._arena.take(size).data_ptr()

    def _find(self, op: Op, root: Map) -> list[int]:
        kind = self._layout.kind(root)
        slots = self._slots[kind]
        if isinstance(op, Conv) and op.residual is not None and op.out is root:
            # The output may take the place of the map that is added: each pixel is read, then written.
            other = op.residual.root
            last = max(other.read) == op.level and other.read.count(op.level) == 1
            if last and self._layout.kind(other) == kind:
                slots[:] = [s for s in slots if s[1] is not self._buffers[other]]
                return self._buffers[other]
        slot = next((s for s in slots if s[0] < min(root.written)), None)
        if slot is None:
            count, before, after = self._layout.sizes(root)
            before += -before % CACHE_LINE
            return [self._arena.take(before + after).data_ptr() + before for _ in range(count)]
        slots.remove(slot)
        return slot[1]
