"""Networks with batch norm statistics: with those of a new network activations grow from layer to layer."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import hrnet_mm


@pytest.fixture
def network() -> Callable[..., nn.Module]:
    def make(name: str, dtype: torch.dtype = torch.float32, **kwargs: Any) -> nn.Module:
        torch.manual_seed(0)
        model = hrnet_mm.create_model(name, **kwargs).train()
        with torch.no_grad():
            for _ in range(2):
                model(torch.randn(2, 3, 64, 64))
        return model.eval().to(dtype)

    return make
