"""Radii around keypoints by their scores: split-conformal quantiles of the error, smaller where the score is higher."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ['fit_radii', 'radii_of']

_STEP = 100  # points for each step, so that its quantile is off by a hundredth
_MOST_STEPS = 10


def fit_radii(
    scores: npt.ArrayLike, errors: npt.ArrayLike, coverage: float = 0.9
) -> tuple[list[float], list[float]] | None:
    """Fit a step function from the score of a point to the radius that holds a share of such points.

    The points are divided by their scores into steps of equal number. The radius of a step of n points is the error at
    place ceil((n + 1) * coverage), by which a further point of the same kind is inside with this probability or more
    (Vovk et al., 2005). Neighboring steps are joined where the radius would grow with the score.

    Args:
        scores: The scores of points, `(N,)`.
        errors: Their errors in any unit, `(N,)`.
        coverage: The share.

    Returns:
        The scores at which the steps from the second on begin, and the radius of each step; None for fewer points than
        a quantile needs.

    Examples:
        >>> fit_radii([0.5] * 99, range(99))
        ([], [89.0])
    """
    order = np.argsort(np.asarray(scores, dtype=float), kind='stable')
    ranked, distances = np.asarray(scores, dtype=float)[order], np.asarray(errors, dtype=float)[order]
    number = len(ranked)
    if math.ceil((number + 1) * coverage) > number:
        return None
    count = min(max(number // _STEP, 1), _MOST_STEPS)
    # Equal scores are in one step.
    starts = sorted({int(np.searchsorted(ranked, ranked[number * i // count])) for i in range(count)})
    steps: list[tuple[int, int, float]] = []
    for start, end in zip(starts, [*starts[1:], number], strict=True):
        steps.append((start, end, _quantile(distances[start:end], coverage)))
        while len(steps) > 1 and not steps[-1][2] < steps[-2][2] < math.inf:
            (first, *_), (_, last, _) = steps[-2:]
            steps[-2:] = [(first, last, _quantile(distances[first:last], coverage))]
    return [float(ranked[start]) for start, *_ in steps[1:]], [radius for *_, radius in steps]


def radii_of(scores: npt.ArrayLike, starts: Sequence[float], radii: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the radius of each score, by the two lists of `fit_radii`."""
    found: npt.NDArray[np.float64] = np.asarray(radii, dtype=float)[
        np.searchsorted(np.asarray(starts, dtype=float), np.asarray(scores, dtype=float), side='right')
    ]
    return found


def _quantile(distances: npt.NDArray[np.float64], coverage: float) -> float:
    """Of a step of so few points that no error holds the share, infinity, which joins it to its neighbor."""
    place = math.ceil((len(distances) + 1) * coverage)
    return float(np.sort(distances)[place - 1]) if place <= len(distances) else math.inf
