"""A lowered network as a file, for later starts: to read it takes less time than to run the network and record it.

It has no weights, but says which of the network's own each convolution takes, and so it holds for other weights too.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from .lowering import Axis, Conv, Input, Map, Op, Output, Sum, Term

__all__ = ['read_plan', 'write_plan']


def write_plan(ops: Sequence[Op], structure: Any, parameters: Mapping[str, Tensor], file: Path) -> None:
    """Write a lowered network, unless its weights are calculated from parameters or its outputs are of unknown classes.

    Args:
        ops: The operations.
        structure: The structure of the outputs.
        parameters: The parameters of the folded network, of which the weights of convolutions are parts.
        file: The file.
    """
    try:
        form = pytree.treespec_dumps(structure)
        content = json.dumps({'structure': form, **_Writer(ops, parameters).content}).encode()
    except (LookupError, NotImplementedError):
        return
    file.write_bytes(hashlib.sha256(content).hexdigest().encode() + b'\n' + content)


def read_plan(file: Path, parameters: Mapping[str, Tensor], factors: Mapping[str, Tensor]) -> tuple[list[Op], Any]:
    """The operations and the structure that `write_plan` wrote, with the weights of a network.

    Args:
        file: The file.
        parameters: The parameters of the folded network, but for the factors of its weights.
        factors: The factors.

    Raises:
        ValueError: The file is damaged, or of a network with other parameters.
    """
    digest, _, content = file.read_bytes().partition(b'\n')
    if digest != hashlib.sha256(content).hexdigest().encode():
        raise ValueError(f'{file} is damaged')
    found = json.loads(content)
    return _Reader(found, parameters, factors).ops, pytree.treespec_loads(found['structure'])


class _Writer:
    def __init__(self, ops: Sequence[Op], parameters: Mapping[str, Tensor]) -> None:
        self._names = {x.untyped_storage().data_ptr(): name for name, x in parameters.items() if x.is_contiguous()}
        self._parameters = parameters
        self._places: dict[Map, int] = {}
        self._maps: list[Any] = []
        self.content = {'ops': [self._op(op) for op in ops], 'maps': self._maps}

    def _op(self, op: Op) -> list[Any]:
        common = [type(op).__name__, op.level, self._map(op.out)]
        if isinstance(op, Input):
            return [*common, op.index]
        if isinstance(op, Output):
            return [*common, op.index, op.shape]
        if isinstance(op, Conv):
            weights = self._part(op.weight), self._part(op.bias)
            residual = None if op.residual is None else self._map(op.residual)
            return [*common, self._map(op.source), *weights, op.stride, op.padding, residual, op.relu]
        assert isinstance(op, Sum)
        terms = [[self._map(term.map), *([a.taps, a.index, a.weight] for a in (term.y, term.x))] for term in op.terms]
        return [*common, terms, op.relu]

    def _map(self, m: Map) -> int:
        if m not in self._places:
            base = None if m.base is None else self._map(m.base)
            self._places[m] = len(self._maps)
            self._maps.append([m.shape, base, m.offset, m.written, m.read, m.split])
        return self._places[m]

    def _part(self, x: Tensor) -> list[Any]:
        """The name of a parameter, and which of its numbers a tensor has; only the size of one that is zero."""
        name = self._names.get(x.untyped_storage().data_ptr())
        if name is None and not x.any():
            return [None, x.shape]
        if name is None:
            raise LookupError
        return [name, x.shape, x.stride(), x.storage_offset() - self._parameters[name].storage_offset()]


class _Reader:
    def __init__(self, content: Any, parameters: Mapping[str, Tensor], factors: Mapping[str, Tensor]) -> None:
        self._parameters, self._factors = parameters, factors
        self._maps: list[Map] = []
        for shape, base, *rest in content['maps']:
            self._maps.append(Map(tuple(shape), None if base is None else self._maps[base], *rest))
        self.ops = [self._op(*op) for op in content['ops']]

    def _op(self, kind: str, level: int, out: int, *rest: Any) -> Op:
        common = level, self._maps[out]
        if kind == 'Input':
            return Input(*common, *rest)
        if kind == 'Output':
            index, shape = rest
            return Output(*common, index, tuple(shape))
        if kind == 'Conv':
            source, weight, bias, stride, padding, residual, relu = rest
            tensors = self._part(*weight), self._part(*bias)
            added = None if residual is None else self._maps[residual]
            factor = self._factors.get(weight[0])
            return Conv(*common, self._maps[source], *tensors, stride, padding, added, relu, factor)
        terms, relu = rest
        return Sum(*common, [Term(self._maps[m], Axis(*y), Axis(*x)) for m, y, x in terms], relu)

    def _part(self, name: str | None, shape: Sequence[int], *place: Any) -> Tensor:
        if name is None:
            return torch.zeros(shape)
        if (whole := self._parameters.get(name)) is None:
            raise ValueError(f'the network has no {name}')
        return whole.detach().contiguous().view(-1).as_strided(shape, *place)
