"""Quantization of a lowered network to eight bits, by its activations on inputs like those to come.

Weights have a scale for each output channel, maps one for all channels: that of least squared error (Choukroun et al.,
"Low-bit Quantization of Neural Networks for Efficient Inference", ICCV workshops 2019). The mean error of each output
channel is subtracted from its bias (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019). Convolutions that would lose too much stay in float32.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ...weights.io import read_checkpoint
from .lowering import Axis, Conv, Input, Map, Op, Output, Sum

__all__ = ['Bytes', 'evaluate', 'quantize', 'quantized_weight', 'read_quantized', 'write_quantized']

_LEAST_CHANNELS = 16
"""Convolutions of fewer inputs, as of an image's colors, stay in float32: they are few products."""

_MOST_PRODUCTS = 1 << 16
"""Products of eight bits each that can be added in 32."""

_LEAST_SIGNAL = 100.0
"""Variance of a convolution's outputs over that of their error, below which it stays in float32: 20 dB."""

_SAMPLES = 1 << 16
"""Values of a map from which its scale is found."""

_CLIPS = torch.linspace(0.1, 1, 37)
"""Parts of a map's range that are tried as the range of its bytes."""


@dataclass(frozen=True, eq=False)
class Bytes:
    """How a convolution reads its source, `(byte - zero) * scale`, and what is added to its bias."""

    scale: float
    zero: int
    largest: int
    shift: Tensor


def evaluate(ops: Sequence[Op], inputs: Sequence[Tensor]) -> Iterator[tuple[Op, dict[Map, Tensor]]]:
    """Compute a lowered network in PyTorch, and yield each operation with the root maps that are still to be read."""
    values: dict[Map, Tensor] = {}
    for op in ops:
        if isinstance(op, Output):
            yield op, values
            continue
        root, channels = op.out.root, slice(op.out.channel, op.out.channel + op.out.shape[1])
        y = _computed(op, values, inputs)
        if root not in values:
            values[root] = y.new_empty(len(y), *root.shape[1:])  # of whatever batch
        values[root][:, channels] = y
        yield op, values
        for old in [m for m in values if max(m.read + m.written) <= op.level]:
            del values[old]


Batch = tuple[Sequence[Op], Sequence[Tensor]]
"""A network, lowered for inputs of their size, and the inputs."""


def quantize(batches: Sequence[Batch], largest: int) -> dict[int, Bytes]:
    """Find the convolutions that bear eight bits, by their places among the operations.

    Args:
        batches: The network's inputs for data like those to come.
        largest: The largest byte: 255; or 127 where a product of bytes takes as many steps as two of numbers, so that
            Winograd's filtering in float32 is faster, and convolutions that it can compute stay.
    """
    scales = _scales(batches, largest)
    errors = {i: _Errors() for i in scales}
    for ops, inputs in batches:
        for i, (op, values) in enumerate(evaluate(ops, inputs)):
            if i in scales:
                assert isinstance(op, Conv)
                x = _part(values, op.source)
                weight, weight_scale = quantized_weight(op.whole_weight)
                scale, zero = scales[i]
                rounded = scale * ((x / scale + zero).round().clamp(0, largest) - zero)
                exact = _convolved(op, x, op.whole_weight)
                errors[i].add(_convolved(op, rounded, weight * weight_scale[:, None, None, None]) - exact, exact)
    return {
        i: Bytes(*scale, largest, -errors[i].mean) for i, scale in scales.items() if errors[i].signal >= _LEAST_SIGNAL
    }


def quantized_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weights from -127 to 127, and the scale of each output channel."""
    scale = weight.flatten(1).abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny).float() / 127
    return (weight.float() / scale[:, None, None, None]).round().clamp(-127, 127), scale


def write_quantized(quantized: Mapping[int, Bytes], file: Path) -> None:
    """Write what `quantize` found."""
    torch.save({i: asdict(given) for i, given in quantized.items()}, file)


def read_quantized(file: Path) -> dict[int, Bytes]:
    """Read what `quantize` found.

    Raises:
        CheckpointError: The file is damaged.
    """
    return {i: Bytes(**given) for i, given in read_checkpoint(file).items()}


class _Errors:
    """The errors of a convolution's outputs."""

    def __init__(self) -> None:
        self._count = 0
        self._error = self._error_squares = self._output = self._output_squares = torch.zeros(())

    def add(self, error: Tensor, output: Tensor) -> None:
        self._count += error.numel() // error.shape[1]
        self._error = self._error + error.sum((0, 2, 3), dtype=torch.float64)
        self._error_squares = self._error_squares + error.square().sum((0, 2, 3), dtype=torch.float64)
        self._output = self._output + output.sum((0, 2, 3), dtype=torch.float64)
        self._output_squares = self._output_squares + output.square().sum((0, 2, 3), dtype=torch.float64)

    @property
    def mean(self) -> Tensor:
        """Of each channel."""
        return self._error / self._count

    @property
    def signal(self) -> float:
        """Variance of the outputs over that of the error, of all channels."""
        output = self._output_squares - self._output.square() / self._count
        error = self._error_squares - self._error.square() / self._count
        return float(output.sum() / error.sum().clamp(min=1e-30))


def _scales(batches: Sequence[Batch], largest: int) -> dict[int, tuple[float, int]]:
    """The scale and the zero of the maps that convolutions read, by the places of these among the operations."""
    random = torch.Generator().manual_seed(0)
    samples: dict[int, list[Tensor]] = defaultdict(list)  # by the place of a map's last writer
    for ops, inputs in batches:
        writers = {op.source.root: max(op.source.root.written) for op in _candidates(ops, largest).values()}
        for i, (op, values) in enumerate(evaluate(ops, inputs)):
            if writers.get(op.out.root) == op.level and not isinstance(op, Output):
                x = values[op.out.root].flatten()
                chosen = torch.randint(len(x), (_SAMPLES // len(batches),), generator=random)
                samples[i] += [x[chosen], *(end[None] for end in x.aminmax())]
    found = {i: _scale(torch.cat(xs), largest) for i, xs in samples.items()}
    ops = batches[0][0]
    roots = {ops[i].out.root: scale for i, scale in found.items()}
    return {i: roots[op.source.root] for i, op in _candidates(ops, largest).items()}


def _candidates(ops: Sequence[Op], largest: int) -> dict[int, Conv]:
    return {
        i: op
        for i, op in enumerate(ops)
        if isinstance(op, Conv)
        and op.weight.shape[1] >= _LEAST_CHANNELS
        and op.weight[0].numel() <= _MOST_PRODUCTS
        and not (largest < 255 and op.may_filter)
    }


def _scale(x: Tensor, largest: int) -> tuple[float, int]:
    """The scale and the zero of least squared error for a sample."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    if low == high:
        return 1.0, 0
    found = []
    for clip in _CLIPS.tolist():
        scale = clip * (high - low) / largest
        zero = round(-clip * low / scale)
        error = scale * ((x / scale + zero).round().clamp(0, largest) - zero) - x
        found.append((float(error.square().mean()), scale, zero))
    return min(found)[1:]


def _computed(op: Op, values: dict[Map, Tensor], inputs: Sequence[Tensor]) -> Tensor:
    if isinstance(op, Input):
        return inputs[op.index]
    if isinstance(op, Conv):
        y = _convolved(op, _part(values, op.source), op.whole_weight)
        y = y if op.residual is None else y + _part(values, op.residual)
    else:
        assert isinstance(op, Sum)
        y = torch.zeros(())
        for term in op.terms:
            y = y + _resampled(_resampled(_part(values, term.map), term.y, 2), term.x, 3)
    return y.relu() if op.relu else y


def _convolved(op: Conv, x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight.float(), op.bias.float(), op.stride, op.padding)


def _part(values: dict[Map, Tensor], m: Map) -> Tensor:
    return values[m.root][:, m.channel : m.channel + m.shape[1]]


def _resampled(x: Tensor, axis: Axis, dim: int) -> Tensor:
    weight = torch.tensor(axis.weight).view(-1, axis.taps)
    taken = x.index_select(dim, torch.tensor(axis.index)).unflatten(dim, (-1, axis.taps))
    return (taken * weight.view(*weight.shape, *[1] * (3 - dim))).sum(dim + 1)
