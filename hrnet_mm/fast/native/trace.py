"""The operators that a network calls, recorded in a run of it, for the native engine."""

import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ['trace']


def trace(
    model: Callable[..., Any], inputs: Sequence[Tensor], known: Collection[Any]
) -> tuple[fx.Graph, dict[fx.Node, Tensor], Any]:
    """Record a network's operators.

    torch.export would give the same graph; it takes some 20 times as long, because it proves what else holds for it.

    Args:
        model: The network.
        inputs: Its inputs.
        known: Operators that are recorded whole; others that are made of several are taken apart.

    Returns:
        The graph, whose nodes have the shape of their result as `meta['val']`; the constants that it reads, as the
        network's parameters, by their node; and the structure of the outputs.
    """
    recorder = _Recorder(inputs, known)
    with torch.inference_mode(), recorder:
        outputs, structure = pytree.tree_flatten(model(*inputs))
    recorder.graph.output([recorder.node(y) for y in outputs])
    return recorder.graph, recorder.constants, structure


class _Recorder(TorchDispatchMode):
    def __init__(self, inputs: Sequence[Tensor], known: Collection[Any]) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.constants: dict[fx.Node, Tensor] = {}
        self._known = known
        self._nodes: Any = WeakTensorKeyDictionary()  # weak: all activations at once would be gigabytes
        for i, x in enumerate(inputs):
            self._note(self.graph.placeholder(f'input{i}'), x)

    def node(self, x: Tensor) -> fx.Node:
        """The node whose result a tensor is at present; one that no operator has made is a constant."""
        if x not in self._nodes:
            constant = self.graph.get_attr(f'constant{len(self.constants)}')
            self.constants[constant] = x
            self._note(constant, x)
        node: fx.Node = self._nodes[x]
        return node

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in self._known:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        node = self.graph.call_function(func, *pytree.tree_map_only(Tensor, self.node, (args, kwargs)))
        if isinstance(result, Tensor):
            self._note(node, result)
        else:
            for i, x in enumerate(result):
                self._note(self.graph.call_function(operator.getitem, (node, i)), x)
        return result

    def _note(self, node: fx.Node, x: Tensor) -> None:
        node.meta['val'] = torch.empty_like(x, device='meta')
        self._nodes[x] = node
