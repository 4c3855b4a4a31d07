"""Calibrated numbers come true on data whose probabilities and errors are known."""

import numpy as np
import pytest

from hrnet_mm.calibration import (
    apply_platt,
    apply_temperature,
    calibration_error,
    fit_platt,
    fit_radii,
    fit_temperature,
    radii_of,
)


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize('temperature', [0.5, 1.0, 3.0])
def test_the_temperature_by_which_labels_were_drawn_is_found(temperature):
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (4000, 5))
    labels = [random.choice(5, p=p) for p in softmax(logits / temperature)]
    found = fit_temperature(softmax(logits), labels)
    assert found == pytest.approx(temperature, rel=0.05)
    np.testing.assert_allclose(apply_temperature(softmax(logits), temperature), softmax(logits / temperature))


def test_temperature_is_the_likeliest():
    probabilities, labels = [[0.99, 0.01]] * 100, [0] * 75 + [1] * 25
    found = apply_temperature(probabilities, fit_temperature(probabilities, labels))
    # Of 100 labels, Platt's targets make 101 of 102 of each.
    assert found[0, 0] == pytest.approx((75 * 101 + 25) / 102 / 100)


def test_no_mistake_is_no_certainty():
    probabilities = np.full((20, 2), [0.6, 0.4])
    assert apply_temperature(probabilities, fit_temperature(probabilities, [0] * 20))[0, 0] == pytest.approx(21 / 22)


def test_temperature_of_probabilities_that_are_zero():
    probabilities = np.eye(3)[[0, 1, 2] * 20]
    labels = np.tile([0, 1, 2], 20)
    labels[:15] = 0
    assert 10 < fit_temperature(probabilities, labels) < 100


def test_platt_finds_the_logistic_function():
    random = np.random.default_rng(0)
    scores = random.uniform(0.05, 1, 20000)
    truth = apply_platt(scores, 2.0, -1.0)
    factor, offset = fit_platt(scores, random.random(20000) < truth)
    assert (factor, offset) == pytest.approx((2.0, -1.0), abs=0.1)
    assert apply_platt([0.5], 2.0, -1.0)[0] == pytest.approx(1 / (1 + np.e))


@pytest.mark.parametrize('is_hit', [False, True])
def test_platt_of_one_kind_is_no_certainty(is_hit):
    scores = np.linspace(0.1, 0.99, 50)
    found = apply_platt(scores, *fit_platt(scores, [is_hit] * 50))
    np.testing.assert_allclose(found, 51 / 52 if is_hit else 1 / 52, atol=1e-6)


def test_calibration_error():
    assert calibration_error([0.9] * 4, [1, 1, 1, 0]) == pytest.approx(0.15)
    assert calibration_error([1.0, 0.0], [1, 0]) == 0
    # Gaps in different bins do not cancel.
    assert calibration_error([0.75, 0.75, 0.25, 0.25], [1, 1, 0, 0]) == pytest.approx(0.25)


def test_a_radius_is_the_conformal_quantile():
    assert fit_radii([0.5] * 99, range(99)) == ([], [89.0])  # the 90th of 99, of which one in ten is beyond
    assert fit_radii([0.5] * 9, range(9)) == ([], [8.0])
    assert fit_radii([0.5] * 8, range(8)) is None


def test_radii_fall_with_the_score():
    random = np.random.default_rng(0)
    scores = random.uniform(0, 1, 2000)
    starts, radii = fit_radii(scores, np.abs(random.normal(0, 1.2 - scores)))
    assert len(starts) == len(radii) - 1 >= 5
    assert starts == sorted(starts)
    assert radii == sorted(radii, reverse=True)
    assert radii_of([0.0, *starts, 1.0], starts, radii).tolist() == [*radii, radii[-1]]


def test_radii_hold_nine_of_ten_further_points_at_each_score():
    shares = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        scores = random.uniform(0, 1, 4000)
        errors = np.abs(random.normal(0, 1.2 - scores))
        fitted = fit_radii(scores[:2000], errors[:2000])
        inside = errors[2000:] <= radii_of(scores[2000:], *fitted)
        high = scores[2000:] > 0.5
        shares.append((inside.mean(), inside[high].mean(), inside[~high].mean()))
    assert np.mean(shares, axis=0) == pytest.approx([0.9] * 3, abs=0.01)
    assert np.min(shares) > 0.87


def test_radii_that_would_grow_are_one():
    scores = np.linspace(0, 1, 1000)
    starts, radii = fit_radii(scores, scores)
    assert (starts, radii) == ([], [pytest.approx(0.9, abs=0.01)])


def test_equal_scores_have_one_radius():
    starts, radii = fit_radii([0.2] * 5 + [0.7] * 500, [9.0] * 5 + [1.0] * 500)
    assert (starts, radii) == ([], [1.0])  # five points are too few for a step of their own
