"""Lowering of a folded network to a flat list of operations in levels, for the native engine."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional as F

__all__ = ['KNOWN', 'Axis', 'Conv', 'Input', 'Map', 'Op', 'Output', 'Sum', 'Term', 'lower']

_ATEN = torch.ops.aten


@dataclass(eq=False)
class Map:
    """An activation `(N, C, H, W)`, or some channels of another map, with the levels that write and read it."""

    shape: tuple[int, int, int, int]
    base: 'Map | None' = None
    offset: int = 0  # first channel in `base`
    written: list[int] = field(default_factory=list)  # levels
    read: list[int] = field(default_factory=list)
    split: bool = False  # into bfloat16 parts, for convolutions to read

    @property
    def root(self) -> 'Map':
        """The map whose memory this one lies in."""
        return self if self.base is None else self.base.root

    @property
    def channel(self) -> int:
        """Its first channel in the root."""
        return 0 if self.base is None else self.offset + self.base.channel

    def part(self, offset: int, channels: int) -> 'Map':
        """The channels from `offset` on."""
        n, _, h, w = self.shape
        return Map((n, channels, h, w), self, offset)


@dataclass(frozen=True)
class Axis:
    """The inputs that make each output of a row or column, `taps` each, and their weights."""

    taps: int
    index: list[int]
    weight: list[float]


@dataclass(frozen=True)
class Term:
    """A summand: a map, resampled along both axes."""

    map: Map
    y: Axis
    x: Axis

    @property
    def is_plain(self) -> bool:
        """Whether it is added as it is."""
        return all(
            a.taps == 1 and a.index == list(range(n)) for a, n in zip((self.y, self.x), self.map.shape[2:], strict=True)
        )


@dataclass(eq=False)
class Op:
    """An operation; those of one level do not depend on one another."""

    level: int
    out: Map


@dataclass(eq=False)
class Input(Op):
    """Reads input `index` of the network."""

    index: int


@dataclass(eq=False)
class Output(Op):
    """Writes output `index` of the network, a tensor of `shape`."""

    index: int
    shape: tuple[int, ...]


@dataclass(eq=False)
class Conv(Op):
    """`relu(conv(source) + residual)`."""

    source: Map
    weight: Tensor
    bias: Tensor
    stride: int
    padding: int
    residual: Map | None
    relu: bool
    factor: Tensor | None = None  # of the weights of each output

    @property
    def whole_weight(self) -> Tensor:
        """The weights times their factor."""
        return self.weight if self.factor is None else self.weight * self.factor

    @property
    def is_direct(self) -> bool:
        """Whether consecutive outputs read consecutive inputs, and the zeros around a map serve as padding."""
        kernel = self.weight.shape[-1]
        return self.stride == 1 and kernel in (1, 3) and self.padding == kernel // 2

    @property
    def may_filter(self) -> bool:
        """Whether Winograd's minimal filtering can compute it."""
        return self.is_direct and self.weight.shape[-1] == 3


@dataclass(eq=False)
class Sum(Op):
    """`relu(sum of terms)`."""

    terms: list[Term]
    relu: bool


def _reads(op: Op) -> list[Map]:
    if isinstance(op, Conv):
        return [op.source] if op.residual is None else [op.source, op.residual]
    if isinstance(op, Sum):
        return [term.map for term in op.terms]
    return [op.out] if isinstance(op, Output) else []


@dataclass(frozen=True)
class _PendingConv:
    source: Map
    weight: Tensor
    bias: Tensor
    stride: int
    padding: int


@dataclass
class _Pending:
    """A sum that is not computed yet, because the operation behind it may be computed along with it."""

    shape: tuple[int, int, int, int]
    convs: list[_PendingConv] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    relu: bool = False


def lower(graph: fx.Graph, constants: Mapping[fx.Node, Tensor]) -> list[Op]:
    """The operations of a recorded network of maps, in an order in which they can run.

    Args:
        graph: What `trace` recorded, with `KNOWN` operators.
        constants: The tensors that the graph reads.

    Raises:
        ValueError: The native engine does not know an operation.
    """
    return _Lowering(graph, constants).ops


class _Lowering:
    def __init__(self, graph: fx.Graph, constants: Mapping[fx.Node, Tensor]) -> None:
        self.ops: list[Op] = []
        # Each a Tensor (constant), a Map, a _Pending, or a list of maps.
        self.values: dict[fx.Node, Any] = dict(constants)
        self._cut: set[Map] = set()  # of which there are slices
        for node in graph.nodes:
            if node.op == 'placeholder':
                self.values[node] = self._input(node)
            elif node.op == 'call_function':
                self.values[node] = self._call(node)
            elif node.op == 'output':
                for index, result in enumerate(node.args[0]):
                    self._output(index, result)
        self.ops.sort(key=lambda op: op.level)

    def _input(self, node: fx.Node) -> Map:
        value = node.meta['val']
        if value.dim() != 4 or value.dtype != torch.float32:
            raise ValueError(f'the native engine reads float32 (N, C, H, W), got {value.dtype} {tuple(value.shape)}')
        out = Map(tuple(value.shape))
        self._add(Input(0, out, len(self.ops)))
        return out

    def _output(self, index: int, node: fx.Node) -> None:
        value = self.values[node]
        if not isinstance(value, Map):
            raise ValueError(f'the native engine cannot give {node} as an output: it is not computed from the input')
        self._add(Output(0, value, index, tuple(node.meta['val'].shape)))

    def _call(self, node: fx.Node) -> Any:
        arguments = [self.values[a] if isinstance(a, fx.Node) else a for a in node.args]
        tensors = [self.values[a] for a in node.all_input_nodes]
        if all(isinstance(t, Tensor) or (isinstance(t, list) and isinstance(t[0], Tensor)) for t in tensors):
            result = node.target(*arguments, **node.kwargs)
            return list(result) if isinstance(result, tuple) else result
        rule = _RULES.get(node.target)
        overwritten = node.target in _IN_PLACE and arguments[0]
        if rule is None or (isinstance(overwritten, Map) and (overwritten in self._cut or overwritten.base)):
            raise _unknown(node)
        result = rule(self, node, *arguments, **node.kwargs)
        if isinstance(result, _Pending) and not _may_wait(node):
            return self._commit(result)
        return result

    def _add(self, op: Op) -> None:
        """Append an operation as a level of its own."""
        reads = _reads(op)
        if isinstance(op, Conv):
            op.source.root.split = True
        op.level = len(self.ops)
        for read in reads:
            read.root.read.append(op.level)
        if not isinstance(op, Output):
            op.out.root.written.append(op.level)
        self.ops.append(op)

    def _commit(self, pending: _Pending, out: Map | None = None) -> Map:
        """Emit the operations of a sum."""
        out = out or Map(pending.shape)
        terms, convs = list(pending.terms), list(pending.convs)
        # The last convolution adds the rest, if that is one map.
        last = convs.pop() if convs and len(convs) + len(terms) <= 2 and all(t.is_plain for t in terms) else None
        for conv in convs:
            part = Map(pending.shape)
            self._add_conv(conv, part, None, False)
            terms.append(_plain(part))
        if last is None:
            self._add(Sum(0, out, terms, pending.relu))
        else:
            self._add_conv(last, out, terms[0].map if terms else None, pending.relu)
        return out

    def _add_conv(self, conv: _PendingConv, out: Map, residual: Map | None, relu: bool) -> None:
        self._add(Conv(0, out, conv.source, conv.weight, conv.bias, conv.stride, conv.padding, residual, relu))

    def _conv(
        self,
        node: fx.Node,
        x: Map,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Sequence[int] = (1,),
        padding: Sequence[int] = (0,),
        dilation: Sequence[int] = (1,),
        groups: int = 1,
    ) -> _Pending:
        square = len(set(stride)) == len(set(padding)) == 1 and weight.shape[2] == weight.shape[3]
        if not square or set(dilation) != {1} or groups != 1 or padding[0] > 1:
            raise _unknown(node)
        sizes = zip(x.shape[2:], _shape(node)[2:], strict=True)
        if any((out - 1) * stride[0] + weight.shape[2] - padding[0] > size + 1 for size, out in sizes):
            raise _unknown(node)  # there is one line of zeros around a map
        bias = torch.zeros(weight.shape[0]) if bias is None else bias
        return _Pending(_shape(node), convs=[_PendingConv(x, weight, bias, stride[0], padding[0])])

    def _linear(self, node: fx.Node, x: Map, weight: Tensor, bias: Tensor | None = None) -> _Pending:
        if x.shape[2:] != (1, 1) or len(node.meta['val'].shape) != 2:
            raise _unknown(node)
        return self._conv(node, x, weight[:, :, None, None], bias)

    def _add_maps(self, node: fx.Node, a: Any, b: Any, alpha: float = 1) -> _Pending:
        operands = [
            x if isinstance(x, _Pending) else _Pending(x.shape, terms=[_plain(x)])
            for x in (a, b)
            if isinstance(x, Map | _Pending)
        ]
        if (
            alpha != 1
            or len(operands) != 2
            or operands[0].shape != operands[1].shape
            or operands[0].relu
            or operands[1].relu
        ):
            raise _unknown(node)
        first, second = operands
        return _Pending(first.shape, first.convs + second.convs, first.terms + second.terms)

    def _relu(self, node: fx.Node, x: Any) -> _Pending:
        if isinstance(x, Map):
            return _Pending(x.shape, terms=[_plain(x)], relu=True)
        x.relu = True
        pending: _Pending = x
        return pending

    def _resize(self, node: fx.Node, x: Map, size: Any, *options: Any) -> _Pending:
        mode = 'nearest' if node.target is _ATEN.upsample_nearest2d.vec else 'linear'
        align_corners = options[0] if mode == 'linear' else None
        if size is None or options[-1] is not None:
            raise _unknown(node)  # by factor: PyTorch rounds differently then
        return self._resampled(
            node, x, lambda eye, i: F.interpolate(eye, size[i], mode=mode, align_corners=align_corners)
        )

    def _avg_pool(
        self, node: fx.Node, x: Map, size: Sequence[int], stride: Sequence[int] = (), *options: Any
    ) -> _Pending:
        if options or any(s not in (k, None) for k, s in zip(size, stride, strict=False)):
            raise _unknown(node)
        return self._resampled(node, x, lambda eye, i: F.avg_pool1d(eye, size[i % len(size)]))

    def _mean(self, node: fx.Node, x: Map, dims: Sequence[int], keepdim: bool = False) -> _Pending:
        if {d % 4 for d in dims} != {2, 3}:
            raise _unknown(node)
        return self._resampled(node, x, lambda eye, i: F.avg_pool1d(eye, x.shape[2 + i]))

    def _view(self, node: fx.Node, x: Map, size: Sequence[int]) -> Map:
        n, c, h, w = x.shape
        if tuple(node.meta['val'].shape) not in ((n, c), x.shape) or (h, w) != (1, 1):
            raise _unknown(node)
        return x  # a vector is a map of one pixel

    def _resampled(self, node: fx.Node, x: Map, along: Any) -> _Pending:
        axes = [_axis(along(torch.eye(x.shape[2 + i])[None], i)[0]) for i in (0, 1)]
        return _Pending(_shape(node), terms=[Term(x, *axes)])

    def _split(self, node: fx.Node, x: Map, sizes: Sequence[int], dim: int = 0) -> list[Map]:
        if dim != 1:
            raise _unknown(node)
        self._cut.add(x)
        return [x.part(sum(sizes[:i]), size) for i, size in enumerate(sizes)]

    def _getitem(self, node: fx.Node, xs: list[Map], index: int) -> Map:
        return xs[index]

    def _cat(self, node: fx.Node, nodes: Sequence[fx.Node], dim: int = 0) -> Map:
        if dim != 1:
            raise _unknown(node)
        out = Map(_shape(node))
        channel = 0
        for x in (self.values[n] for n in nodes):
            pending = _Pending(x.shape, terms=[_plain(x)]) if isinstance(x, Map) else x
            self._commit(pending, out.part(channel, x.shape[1]))
            channel += x.shape[1]
        return out


_RULES: dict[Any, Any] = {
    _ATEN.conv2d.default: _Lowering._conv,
    _ATEN.linear.default: _Lowering._linear,
    _ATEN.add.Tensor: _Lowering._add_maps,
    _ATEN.relu.default: _Lowering._relu,
    _ATEN.relu_.default: _Lowering._relu,
    _ATEN.add_.Tensor: _Lowering._add_maps,
    _ATEN.upsample_nearest2d.vec: _Lowering._resize,
    _ATEN.upsample_bilinear2d.vec: _Lowering._resize,
    _ATEN.avg_pool2d.default: _Lowering._avg_pool,
    _ATEN.mean.dim: _Lowering._mean,
    _ATEN.view.default: _Lowering._view,
    _ATEN.split_with_sizes.default: _Lowering._split,
    _ATEN.cat.default: _Lowering._cat,
    operator.getitem: _Lowering._getitem,
}

KNOWN = frozenset(_RULES)
"""The operators that the engine knows whole."""

_IN_PLACE = (_ATEN.relu_.default, _ATEN.add_.Tensor)


def _may_wait(node: fx.Node) -> bool:
    """Whether the one reader of a node's result computes it along with its own."""
    users = list(node.users)
    fused = {_ATEN.cat.default}
    if node.target not in (_ATEN.relu.default, _ATEN.relu_.default):
        fused |= {_ATEN.add.Tensor, _ATEN.relu.default, *_IN_PLACE}
    return len(users) == 1 and users[0].target in fused


def _unknown(node: fx.Node) -> ValueError:
    return ValueError(
        f'the native engine cannot run {node.format_node()}; it knows convolution, addition, ReLU, resizing by size, '
        'average pooling, concatenation and a linear classifier, on maps. Use another engine'
    )


def _shape(node: fx.Node) -> tuple[int, int, int, int]:
    shape = tuple(node.meta['val'].shape)
    n, c, h, w = shape + (1,) * (4 - len(shape))  # a classifier's vectors are maps of one pixel
    return n, c, h, w


def _plain(x: Map) -> Term:
    y_axis, x_axis = (Axis(1, list(range(size)), [1.0] * size) for size in x.shape[2:])
    return Term(x, y_axis, x_axis)


def _axis(matrix: Tensor) -> Axis:
    """From the matrix `(inputs, outputs)` that PyTorch's own operator made of the identity."""
    taps = int((matrix != 0).sum(0).max())
    weight, index = matrix.abs().topk(taps, dim=0)
    index = torch.where(weight == 0, index[:1], index)  # a tap without weight reads what another one reads
    weight = matrix.gather(0, index) * (weight != 0)
    return Axis(taps, index.T.flatten().tolist(), weight.T.flatten().tolist())
