"""The native engine: a whole network in one call, by kernels of the processor's own instruction set.

This module records a network and adds its operations to a program; amx.cpp and vector.cpp compute.
"""

import ctypes
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from ..fold import Folded, fold, folded_parameters
from . import library
from .amx import Matrix
from .build import BuildError
from .library import instruction_sets
from .lowering import KNOWN, Axis, Conv, Input, Op, Output, Sum, lower
from .memory import Memory
from .plan import read_plan, write_plan
from .quantize import Bytes, quantize
from .trace import trace
from .vector import Vectors

__all__ = ['PRECISIONS', 'NativeEngine', 'compile_native']

PRECISIONS = {
    'fp32': ('amx', 'avx512', 'avx2', 'neon'),
    'bf16x3': ('amx',),
    'bf16': ('amx',),
    'int8': ('avx512vnni', 'avxvnni', 'avx2'),
}
"""The instruction sets that have kernels of each precision, the most able first."""

_MEASURED = 2
"""Calls of an engine that measure its operations: the least time counts, because caches are empty at first."""

_PARTS = {'fp32': 3, 'bf16x3': 2, 'bf16': 1, 'int8': 0}
"""The bfloat16 numbers that add up to a float32 on a matrix unit: three are exact, two keep 17 of its 24 bits."""


def compile_native(
    model: nn.Module, *examples: Tensor, precision: str = 'fp32', instructions: str | None = None, **int8: Any
) -> 'NativeEngine':
    """Compile a network for inputs of the examples' shapes; see `NativeEngine`, which takes `int8` too.

    Where a CPU's matrix unit and its vector unit have the precision, the network is compiled for both, and the one
    whose operations take less time is kept. A compiler that is too old for the matrix unit leaves the other.
    """
    able = _able(precision)
    rivals = [instructions] if instructions or not able else able[: 2 if able[0] == 'amx' else 1]
    engines, failed = [], None
    for name in rivals:
        try:
            engines.append(NativeEngine(model, *examples, precision=precision, instructions=name, **int8))
        except BuildError as error:
            failed = error
    if failed and not engines:
        raise failed
    return engines[0] if len(engines) == 1 else min(engines, key=lambda engine: _seconds(engine, examples))


class NativeEngine:
    """A network of images or maps, compiled for one size.

    It has as many threads as PyTorch. The weights are copied: later changes of them do not show. One engine serves one
    caller at a time, because its activations lie in memory of its own.

    Where a value is infinite or NaN, all that depends on it is NaN: eager PyTorch may keep an infinity or, after ReLU,
    turn a negative one to zero. Neighboring pixels of the same image may turn NaN with it.

    Args:
        model: The network, in evaluation mode.
        examples: Its inputs, float32 `(N, C, H, W)` each.
        precision: 'fp32' is as exact as float32; 'bf16x3' keeps 17 of 24 bits of the factors and 'bf16' 8 of them, and
            both need AMX; 'int8' quantizes the convolutions that bear it, with AVX2 or VNNI.
        instructions: A key of `INSTRUCTION_SETS` (default: the most able one of this CPU).
        calibration: For 'int8', inputs like those to come, by which the ranges of activations are found; of any batch
            and size.
        quantized: In place of that, the `quantized` of another engine of the same network.
        plan: A file that keeps the lowered network: it is read where it is there, and written otherwise.

    Attributes:
        instructions: The instruction set that computes.
        quantized: How quantized convolutions read their inputs, by their numbers among the operations.

    Raises:
        ValueError: The engine does not know the precision, an input or an operator, or this CPU lacks the instructions.
        RuntimeError: No instruction set of this CPU has kernels, or they did not come with the package and there is no
            compiler that can build them.
    """

    def __init__(
        self,
        model: nn.Module,
        *examples: Tensor,
        precision: str = 'fp32',
        instructions: str | None = None,
        calibration: Sequence[Tensor | Sequence[Tensor]] = (),
        quantized: Mapping[int, Bytes] | None = None,
        plan: Path | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f'unknown precision {precision!r}; the native engine has {", ".join(PRECISIONS)}')
        able = _able(precision)
        if not able:
            raise RuntimeError(f'the native engine has no kernels of {precision} for the instruction sets of this CPU')
        self.instructions = instructions or able[0]
        if self.instructions not in able:
            raise ValueError(f'unknown instructions {instructions!r}; this CPU has {", ".join(able)} for {precision}')
        examples = tuple(x.contiguous() for x in examples)
        if plan is not None and plan.is_file():
            ops, self._structure = read_plan(plan, *folded_parameters(model))
        else:
            model = _folded(model)
            graph, constants, self._structure = trace(model, examples, KNOWN)
            ops = lower(graph, constants)
            if plan is not None:
                write_plan(ops, self._structure, folded_parameters(model)[0], plan)
        self._shapes = [tuple(x.shape) for x in examples]
        self._output_shapes = [op.shape for op in ops if isinstance(op, Output)]
        self._kernels = library.library(self.instructions)
        self.quantized = dict(quantized or {})
        if precision == 'int8' and quantized is None:
            self.quantized = self._quantize(model, ops, calibration)
        if any(given.largest != self._kernels.hrnet_mm_largest_byte() for given in self.quantized.values()):
            raise ValueError(
                f'quantized for other kernels than those of {self.instructions}, whose bytes have another range'
            )
        self._layout: Matrix | Vectors
        if self.instructions == 'amx':
            self._layout = Matrix(_PARTS[precision])
        else:
            self._layout = Vectors(ops, self._kernels, {ops[i]: given for i, given in self.quantized.items()})
        self._memory = Memory(ops, self._layout)  # kept: the program holds addresses in it
        self._program = self._kernels.hrnet_mm_program(len(examples), len(self._output_shapes), _PARTS[precision])
        weakref.finalize(self, self._kernels.hrnet_mm_free, self._program)
        self._names = [_name(op) for op in ops]
        for op in ops:
            self._add(op)
        self._calls = 0

    def __call__(self, *xs: Tensor) -> Any:
        """The model's outputs for `xs`, in its own structure.

        Raises:
            ValueError: The inputs are unlike the examples.
        """
        if [tuple(x.shape) for x in xs] != self._shapes or any(
            x.dtype != torch.float32 or x.device.type != 'cpu' for x in xs
        ):
            given = ', '.join(f'{x.dtype} {tuple(x.shape)} on {x.device}' for x in xs)
            raise ValueError(f'the inputs are {given}; expected float32 {_listed(self._shapes)} on the CPU')
        xs = tuple(x.contiguous() for x in xs)
        if self._calls < _MEASURED:
            outputs = self._call('calibrate', xs, self._calls)
            self._calls += 1
        else:
            outputs = self._call('run', xs, torch.get_num_threads())
        return pytree.tree_unflatten(outputs, self._structure)

    def profile(self) -> list[tuple[str, float]]:
        """The operations in the order in which they run, each in words and with its seconds on one thread.

        The first two calls of the engine measure them, one operation after another, and threads then share the
        operations by them.

        Raises:
            ValueError: It was not called yet.
        """
        if not self._calls:
            raise ValueError('the engine was not called yet, and has measured nothing')
        costs = (ctypes.c_double * len(self._names))()
        self._kernels.hrnet_mm_costs(self._program, costs)
        return list(zip(self._names, costs, strict=True))

    def _quantize(
        self, folded: nn.Module, ops: list[Op], calibration: Sequence[Tensor | Sequence[Tensor]]
    ) -> dict[int, Bytes]:
        batches = [(xs,) if isinstance(xs, Tensor) else tuple(xs) for xs in calibration]
        channels = [shape[1] for shape in self._shapes]
        given = {tuple(x.shape[1] if x.dim() == 4 else 0 for x in xs) for xs in batches}
        if given != {tuple(channels)}:
            raise ValueError(
                'int8 needs calibration=[...], inputs (N, C, H, W) like those to come with C = '
                f'{", ".join(map(str, channels))}, got {sorted(given) or "none"}'
            )
        lowered: dict[Any, list[Op]] = {}
        for xs in batches:
            size = tuple(x.shape[2:] for x in xs)
            if size not in lowered:
                graph, constants, _ = trace(folded, tuple(x[:1].contiguous() for x in xs), KNOWN)
                lowered[size] = lower(graph, constants)
                if [_kind(op) for op in lowered[size]] != [_kind(op) for op in ops]:
                    raise ValueError(
                        f'calibration has an input {_listed(x.shape for x in xs)}, for which the network has other '
                        f'operations than for {_listed(self._shapes)}; calibrate with inputs of that size'
                    )
        with torch.inference_mode():
            return quantize(
                [(lowered[tuple(x.shape[2:] for x in xs)], xs) for xs in batches], self._kernels.hrnet_mm_largest_byte()
            )

    def _call(self, function: str, xs: Sequence[Tensor], number: int) -> list[Tensor]:
        outputs = [torch.empty(shape) for shape in self._output_shapes]
        addresses = ((ctypes.c_void_p * len(ts))(*(t.data_ptr() for t in ts)) for ts in (xs, outputs))
        getattr(self._kernels, f'hrnet_mm_{function}')(self._program, *addresses, number)
        return outputs

    def _add(self, op: Op) -> None:
        """Add an operation to the compiled program."""
        kernels, layout, memory = self._kernels, self._layout, self._memory
        out = layout.map(op.out, memory)
        to = self._program, op.level
        if isinstance(op, Input):
            kernels.hrnet_mm_input(*to, out, op.index, op.out.shape[1])
        elif isinstance(op, Output):
            positions = layout.positions(op.out)
            kernels.hrnet_mm_output(*to, out, op.index, (ctypes.c_int32 * len(positions))(*positions), len(positions))
        elif isinstance(op, Sum):
            terms = [library.Term(layout.map(t.map, memory), self._axis(t.y), self._axis(t.x)) for t in op.terms]
            kernels.hrnet_mm_sum(*to, out, op.relu, (library.Term * len(terms))(*terms), len(terms))
        elif isinstance(op, Conv):
            conv = library.Convolution(
                source=layout.map(op.source, memory),
                out=out,
                residual=library.Map() if op.residual is None else layout.map(op.residual, memory),
                relu=op.relu,
                kernel=op.weight.shape[-1],
                stride=op.stride,
                padding=op.padding,
                **layout.weights(op, memory),
            )
            kernels.hrnet_mm_conv(*to, conv)

    def _axis(self, axis: Axis) -> library.Axis:
        index = self._memory.hold(torch.tensor(axis.index, dtype=torch.int32))
        return library.Axis(axis.taps, index, self._memory.hold(torch.tensor(axis.weight)))


def _name(op: Op) -> str:
    _, c, h, w = op.out.shape
    if not isinstance(op, Conv):
        return f'{type(op).__name__.lower()} {c}x{h}x{w}'
    kernel = op.weight.shape[-1]
    return f'conv {kernel}x{kernel} stride {op.stride} {op.source.shape[1]} to {c}x{h}x{w}'


def _listed(shapes: Iterable[Sequence[int]]) -> str:
    return ', '.join(str(tuple(shape)) for shape in shapes)


def _kind(op: Op) -> tuple[Any, ...]:
    """What the same operation has in common at any size."""
    if isinstance(op, Conv):
        return Conv, op.weight.shape, op.stride, op.padding, op.residual is None, op.relu
    return type(op), op.out.shape[1], *((len(op.terms), op.relu) if isinstance(op, Sum) else ())


def _folded(model: nn.Module) -> nn.Module:
    is_folded = isinstance(model, Folded) or not any(isinstance(m, _BatchNorm) for m in model.modules())
    return model if is_folded else fold(model).network


def _seconds(engine: NativeEngine, inputs: Sequence[Tensor]) -> float:
    for _ in range(_MEASURED):
        engine(*inputs)
    return sum(seconds for _, seconds in engine.profile())


def _able(precision: str) -> list[str]:
    return [name for name in instruction_sets() if name in PRECISIONS.get(precision, ())]
