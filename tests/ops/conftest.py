"""mmcv's own layers and autograd functions, run on the compiled operators and on those in Python."""

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import mmcv.ops  # noqa: F401 - imports mmcv._ext
import pytest
import torch
from torch import Tensor

from hrnet_mm.ops.extension import create_module

COMPILED = sys.modules['mmcv._ext']


@pytest.fixture
def python() -> ModuleType:
    return create_module()


@pytest.fixture
def compiled() -> ModuleType:
    if not (COMPILED.__file__ or '').endswith(('.so', '.pyd')):
        pytest.skip('mmcv is not compiled, so there is nothing to compare with')
    return COMPILED


@pytest.fixture
def in_python(monkeypatch) -> Callable[[str], ModuleType]:
    """Put the operators in Python under a module of mmcv.ops."""

    def use(module: str) -> ModuleType:
        monkeypatch.setattr(sys.modules[f'mmcv.ops.{module}'], 'ext_module', create_module())
        return sys.modules[f'mmcv.ops.{module}']

    return use


@pytest.fixture
def run_both(compiled, in_python) -> Callable[..., tuple[Any, Any]]:
    """What a call returns on the compiled operators and on those in Python."""

    def run(module: str, call: Callable[[], Any]) -> tuple[Any, Any]:
        expected = call()
        in_python(module)
        return expected, call()

    return run


@pytest.fixture
def with_gradients() -> Callable[..., list[Tensor]]:
    """The output of a function, and the gradients of its inputs for a fixed gradient of the output."""

    def run(function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
        output = function(*leaves)
        weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
        return [output.detach(), *torch.autograd.grad(output, leaves, weights)]

    return run
