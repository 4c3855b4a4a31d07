"""Comparison of outputs, and the difference that each precision allows."""

from collections.abc import Sequence

from torch import Tensor

__all__ = ['TOLERANCES', 'difference']

TOLERANCES = {'fp32': 1e-4, 'fp16': 2e-2, 'bf16': 0.1, 'int8': 0.35}
"""The largest difference allowed at each precision, relative to the largest value of the output."""


def difference(outputs: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest difference of any output, relative to the largest value of that output; NaN where one has NaN."""
    relative = [
        ((y.double() - e.double()).abs().max() / e.double().abs().max().clamp_min(1e-30)).item()
        for y, e in zip(outputs, expected, strict=True)
    ]
    return float('nan') if any(r != r for r in relative) else max(relative)
