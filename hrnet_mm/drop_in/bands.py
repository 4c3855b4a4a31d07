"""Normalization of any number of bands by the preprocessors of the libraries, which take one or three means."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.registry import MODELS as _ROOT_MODELS

from ..registry import MODELS

__all__ = ['normalize_bands']


@MODELS.register_module()  # type: ignore[untyped-decorator]
def normalize_bands(preprocessor: str, mean: Sequence[float], std: Sequence[float], **settings: Any) -> Any:
    """Build the data_preprocessor of a library for any number of bands.

    Args:
        preprocessor: Its type.
        mean: The mean of each band.
        std: The standard deviation of each band.
        **settings: Its other arguments.
    """
    built = _ROOT_MODELS.build({'type': preprocessor, 'mean': [0.0], 'std': [1.0], **settings})
    for name, values in (('mean', mean), ('std', std)):
        built.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(-1, 1, 1), persistent=False)
    return built
