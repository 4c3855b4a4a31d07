"""Temperature of classes, Platt's scaling of detections, and the expected calibration error.

Both fits use Platt's targets, (n + 1) / (n + 2) in place of 1, so that a small validation part without a mistake does
not make the network certain.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ['apply_platt', 'apply_temperature', 'calibration_error', 'fit_platt', 'fit_temperature']

Floats = npt.NDArray[np.float64]

_LEAST = 1e-30  # probabilities, so that their logarithms are finite
_LARGEST_LOG = 5.0  # of the inverse temperature
_BINS = 15


def fit_temperature(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Fit the temperature by which logits are divided, so that the labels are most likely (Guo et al., 2017).

    Args:
        probabilities: The softmax of a network, `(N, C)`; its logarithm is the logits but for a constant.
        labels: The true classes, `(N,)`.

    Returns:
        The temperature; above 1 where the network is too certain.

    Examples:
        >>> fit_temperature([[0.99, 0.01]] * 100, [0] * 75 + [1] * 25)  # 99 % certain, and right in 75 %
        4.2...
    """
    logits = _logits(probabilities)
    truth = np.asarray(labels, dtype=int)
    number, classes = logits.shape
    miss = 1 / (number + 2)
    of_truth = logits[np.arange(number), truth]
    others = (logits.sum(1) - of_truth) / (classes - 1)
    wanted = float(np.mean((1 - miss) * of_truth + miss * others))

    # The likelihood is concave in the inverse temperature; its slope is the wanted mean logit less the expected one.
    low, high = -_LARGEST_LOG, _LARGEST_LOG
    for _ in range(50):
        middle = (low + high) / 2
        expected = float(np.mean((_softmax(logits * np.exp(middle)) * logits).sum(1)))
        low, high = (middle, high) if expected < wanted else (low, middle)
    return float(np.exp(-(low + high) / 2))


def apply_temperature(probabilities: npt.ArrayLike, temperature: float, axis: int = 1) -> Floats:
    """Return the probabilities at a temperature.

    Args:
        probabilities: The softmax of a network, its classes along an axis.
        temperature: The divisor of the logits.
        axis: The axis.
    """
    return _softmax(_logits(probabilities) / temperature, axis)


def fit_platt(scores: npt.ArrayLike, hits: npt.ArrayLike) -> tuple[float, float]:
    """Fit the logistic function of a score's logit that says how likely a hit is (Platt, 1999).

    Args:
        scores: Scores from 0 to 1, `(N,)`.
        hits: Whether each was a hit, `(N,)`.

    Returns:
        The factor of the logit, and what is added to it.
    """
    is_hit = np.asarray(hits, dtype=bool)
    positive, negative = int(is_hit.sum()), int((~is_hit).sum())
    targets = np.where(is_hit, (positive + 1) / (positive + 2), 1 / (negative + 2))
    inputs = np.column_stack([_logit(scores), np.ones(len(is_hit))])
    weights = np.array([1.0, 0.0])
    for _ in range(100):  # Newton's method, shortened where it would overshoot
        found = _sigmoid(inputs @ weights)
        slope = inputs.T @ (found - targets)
        curvature = (inputs * (found * (1 - found))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        step /= max(1.0, float(np.abs(step).max()))
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def apply_platt(scores: npt.ArrayLike, factor: float, offset: float) -> Floats:
    """Return the probabilities of scores from 0 to 1 by the two numbers of `fit_platt`."""
    return _sigmoid(factor * _logit(scores) + offset)


def calibration_error(probabilities: npt.ArrayLike, hits: npt.ArrayLike) -> float:
    """Return the expected calibration error: the mean gap of probability and share of hits in 15 equal bins.

    Args:
        probabilities: The probabilities that were stated, `(N,)`.
        hits: Whether each came true, `(N,)`.

    Examples:
        >>> round(calibration_error([0.9] * 4, [True, True, True, False]), 2)
        0.15
    """
    stated, came_true = np.asarray(probabilities, dtype=float), np.asarray(hits, dtype=float)
    bins = np.minimum((stated * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, stated - came_true, _BINS)
    return float(np.abs(gaps).sum() / len(stated))


def _logits(probabilities: npt.ArrayLike) -> Floats:
    logits: Floats = np.log(np.maximum(np.asarray(probabilities, dtype=float), _LEAST))
    return logits


def _softmax(logits: Floats, axis: int = 1) -> Floats:
    powers = np.exp(logits - logits.max(axis, keepdims=True))
    found: Floats = powers / powers.sum(axis, keepdims=True)
    return found


def _logit(scores: npt.ArrayLike) -> Floats:
    share = np.clip(np.asarray(scores, dtype=float), 1e-6, 1 - 1e-6)
    logit: Floats = np.log(share / (1 - share))
    return logit


def _sigmoid(values: Any) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(values, -500, 500)))
    return found
