"""The native engine: a whole network in one call, on the matrix unit (AMX) of recent Xeons.

This module exports a network, plans its memory and packs its weights; `native.cpp` computes.
"""

import mmap
import warnings
from collections import defaultdict
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from ..fold import Folded, fold
from .lowering import Conv, Input, Map, Op, Output, Sum, lower

__all__ = ['PRECISIONS', 'NativeEngine', 'compile_native', 'is_available']

PRECISIONS = {'fp32': 3, 'bf16x3': 2, 'bf16': 1}
"""The number of bfloat16 numbers that add up to a float32: three are exact, two keep 17 of its 24 bits."""

_TILE, _DEPTH, _BLOCK = 16, 32, 2  # as in native.cpp
_CACHE_LINE, _CHUNK = 64, 1 << 26  # bytes
_FLAGS = '-O3 -std=c++17 -fopenmp -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mamx-tile -mamx-bf16'


@cache
def is_available() -> bool:
    """Whether this machine's CPU has AMX for bfloat16 and the kernel lets this process use it."""
    # The first asks the CPU; the second the kernel, for the whole process.
    return torch.cpu._is_amx_tile_supported() and torch.cpu._init_amx()


def compile_native(model: nn.Module, *examples: Tensor, precision: str = 'fp32') -> 'NativeEngine':
    """Compile a network for inputs of the examples' shapes; see `NativeEngine`."""
    return NativeEngine(model, *examples, precision=precision)


class NativeEngine:
    """A network of images or maps, compiled for one size.

    It has as many threads as PyTorch. The weights are copied: later changes of them do not show. One engine serves one
    caller at a time, because its activations lie in memory of its own.

    Where a value is infinite or NaN, all that depends on it is NaN: eager PyTorch may keep an infinity or, after ReLU,
    turn a negative one to zero. Where channels are no multiple of 32 a neighboring pixel may turn NaN with it.

    Args:
        model: The network, in evaluation mode.
        examples: Its inputs, float32 `(N, C, H, W)` each.
        precision: 'fp32' is as exact as float32, by six bfloat16 products each; 'bf16x3' keeps 17 of 24 bits, by
            three; 'bf16' has one product.

    Raises:
        ValueError: The engine does not know the precision, an input or an operator.
        RuntimeError: The CPU has no AMX, or ninja and a C++ compiler, which build the engine at first use, are missing.
    """

    def __init__(self, model: nn.Module, *examples: Tensor, precision: str = 'fp32') -> None:
        if precision not in PRECISIONS:
            raise ValueError(f'unknown precision {precision!r}; the native engine has {", ".join(PRECISIONS)}')
        if not is_available():
            raise RuntimeError('the native engine needs a CPU with AMX for bfloat16 and a kernel that permits its use')
        parts = PRECISIONS[precision]
        exported = _export(model, examples)
        ops = lower(exported)
        self._shapes = [tuple(x.shape) for x in examples]
        self._structure = exported.call_spec.out_spec
        self._output_shapes = [op.shape for op in ops if isinstance(op, Output)]
        self._memory = _Memory(ops, parts)  # kept: the program holds addresses in it
        self._program = getattr(_library(), f'Program{parts}')(len(examples), len(self._output_shapes))
        for op in ops:
            _add(self._program, op, self._memory, parts)
        examples = tuple(x.contiguous() for x in examples)
        pointers, _outputs = self._pointers(examples)
        self._program.calibrate(*pointers, 5)

    def __call__(self, *xs: Tensor) -> Any:
        """The model's outputs for `xs`, in its own structure.

        Raises:
            ValueError: The inputs are unlike the examples.
        """
        if [tuple(x.shape) for x in xs] != self._shapes or any(
            x.dtype != torch.float32 or x.device.type != 'cpu' for x in xs
        ):
            given = ', '.join(f'{x.dtype} {tuple(x.shape)} on {x.device}' for x in xs)
            raise ValueError(f'the inputs are {given}; expected float32 {", ".join(map(str, self._shapes))} on the CPU')
        xs = tuple(x.contiguous() for x in xs)
        pointers, outputs = self._pointers(xs)
        self._program.run(*pointers, torch.get_num_threads())
        return pytree.tree_unflatten(outputs, self._structure)

    def _pointers(self, xs: tuple[Tensor, ...]) -> tuple[tuple[list[int], list[int]], list[Tensor]]:
        outputs = [torch.empty(shape) for shape in self._output_shapes]
        return ([x.data_ptr() for x in xs], [y.data_ptr() for y in outputs]), outputs


def _export(model: nn.Module, examples: tuple[Tensor, ...]) -> Any:
    folded = model if isinstance(model, Folded) else fold(model)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)  # torch's copy of the program uses what torch deprecates
        return torch.export.export(folded, tuple(x.contiguous() for x in examples)).run_decompositions({})


@cache
def _library() -> Any:
    """The compiled extension, built at first use and kept in torch's cache of extensions.

    It is compiled with OpenMP and linked without: the symbols are those of the library that torch has loaded, so both
    share one pool of threads.
    """
    from torch.utils import cpp_extension  # looks for CUDA when imported

    source = Path(__file__).with_name('native.cpp')
    try:
        return cpp_extension.load('hrnet_mm_native', [str(source)], extra_cflags=_FLAGS.split())
    except (ImportError, OSError, RuntimeError) as error:
        raise RuntimeError(
            f'the native engine is built at first use, which needs ninja and GCC 11 or Clang 12 or later: {error}'
        ) from error


def _add(program: Any, op: Op, memory: '_Memory', parts: int) -> None:
    """Add an operation to the compiled program."""
    if isinstance(op, Input):
        program.input(op.level, memory[op.out], op.index)
    elif isinstance(op, Output):
        program.output(op.level, memory[op.out], op.index)
    elif isinstance(op, Sum):
        axes = [(_library().Axis(a.taps, a.index, a.weight) for a in (t.y, t.x)) for t in op.terms]
        terms = [_library().Term(memory[t.map], *pair) for t, pair in zip(op.terms, axes, strict=True)]
        program.sum(op.level, memory[op.out], op.relu, terms)
    elif isinstance(op, Conv):
        residual = None if op.residual is None else memory[op.residual]
        kernel, step, pitch = op.weight.shape[-1], op.source.root.shape[1], op.source.shape[3] + 1
        reach = range(-op.padding, kernel - op.padding)
        weight = op.weight.permute(2, 3, 1, 0)  # row, column, input, output
        if not op.is_direct:
            starts, window = [0], _library().Window(kernel, op.stride, op.padding)
            weight = weight.flatten(0, 2)[None]
        elif op.source.shape[1] == step:  # the taps of a row follow one another in memory
            starts, window = [(y * pitch + reach[0]) * step for y in reach], None
            weight = weight.flatten(1, 2)
        else:
            starts, window = [(y * pitch + x) * step for y in reach for x in reach], None
            weight = weight.flatten(0, 1)
        runs = [_library().Run(start, -(-weight.shape[1] // _DEPTH)) for start in starts]
        bias = F.pad(op.bias.float(), (0, -len(op.bias) % (_BLOCK * _TILE)))
        addresses = memory.hold(_pack(weight, parts)), memory.hold(bias)
        program.conv(op.level, memory[op.source], memory[op.out], residual, op.relu, *addresses, runs, window)


def _pack(weight: Tensor, parts: int) -> Tensor:
    """`(runs, inputs, outputs)` in the order in which native.cpp reads tiles, pairs of inputs side by side."""
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
        self._used += size + -size % _CACHE_LINE
        return self._chunks[-1][start : start + size]


class _Memory:
    """The addresses of maps and weights.

    Two maps share a buffer if they have the same shape and are never needed at the same time. Nothing ever writes the
    zeros between a map's rows, so buffers of different shapes must not overlap.
    """

    def __init__(self, ops: list[Op], parts: int) -> None:
        self._parts = parts
        self._arena = _Arena()
        self._buffers: dict[Map, list[int]] = {}  # root map to the address of its first pixel, in each part
        self._slots: dict[Any, list[tuple[int, list[int]]]] = defaultdict(list)  # the level of the last use, buffers
        for op in ops:
            root = op.out.root
            if root not in self._buffers:
                self._buffers[root] = self._find(op, root)
                self._slots[self._key(root)].append((max(root.read + root.written), self._buffers[root]))

    def __getitem__(self, m: Map) -> Any:
        width = 2 if m.root.split else 4
        addresses = [b + width * m.channel for b in self._buffers[m.root]]
        full, split = (0, addresses) if m.root.split else (addresses[0], [])
        return _library().Map(*m.shape, m.root.shape[1], full, split)

    def hold(self, x: Tensor) -> int:
        """Copy a tensor and return the address of its first number."""
        memory = self._arena.take(x.nbytes)
        memory.view(x.dtype).copy_(x)
        return memory.data_ptr()

    @staticmethod
    def _key(root: Map) -> Any:
        return root.shape, root.split

    def _find(self, op: Op, root: Map) -> list[int]:
        slots = self._slots[self._key(root)]
        if isinstance(op, Conv) and op.residual is not None and op.out is root:
            # The output may take the place of the map that is added: each pixel is read, then written.
            other = op.residual.root
            last = max(other.read) == op.level and other.read.count(op.level) == 1
            if last and self._key(other) == self._key(root):
                slots[:] = [s for s in slots if s[1] is not self._buffers[other]]
                return self._buffers[other]
        slot = next((s for s in slots if s[0] < min(root.written)), None)
        if slot is None:
            return [self._reserve(root) for _ in range(self._parts if root.split else 1)]
        slots.remove(slot)
        return slot[1]

    def _reserve(self, root: Map) -> int:
        """A buffer with the zeros that convolutions read around a map, and what tiles read beyond its end."""
        n, c, h, w = root.shape
        pitch, size = w + 1, c * (2 if root.split else 4)
        before = -(-(pitch + 1) * size // _CACHE_LINE) * _CACHE_LINE
        after = (n * (h + 1) * pitch + _BLOCK * _TILE + pitch) * size + 2 * _CACHE_LINE
        return self._arena.take(before + after).data_ptr() + before
