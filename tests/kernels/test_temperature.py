import mpmath
import numpy as np
import pytest

from lastlayer.kernels.exponential import scale_of
from lastlayer.kernels.temperature import slope_rows, temperature_rows
from tests.oracles.temperature import mean_loss


def derivatives(logits, labels, beta):
    """Per row: the loss, its first and second derivative, and the shortfall of the label."""
    results = tuple(np.empty(len(labels)) for _ in range(4))
    temperature_rows(logits, labels, np.full(len(labels), float(beta)), np.empty(0), *results)
    return results


def in_float32(logits, labels, beta):
    """Per row: the first and the second derivative of the loss, and the shortfall of the label."""
    results = tuple(np.empty(len(labels)) for _ in range(3))
    slope_rows(logits, labels, scale_of(beta, np.float32), *results)
    return results


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [0.0, 0.03, 1.0, 7.0])
def test_derivatives_are_those_of_the_loss(dtype, beta):
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(12, 9)) * 4).astype(dtype)
    logits[3, 2] = logits[5, 0] = -np.inf
    labels = rng.integers(3, 9, 12)
    loss, slope, curvature, shortfall = derivatives(logits, labels, beta)
    for i, (row, label) in enumerate(zip(logits.tolist(), labels.tolist(), strict=True)):

        def definition(b, row=row, label=label):
            return mean_loss([row], [label], [1.0], b)

        assert loss[i] == pytest.approx(float(definition(beta)), rel=1e-13)
        assert slope[i] == pytest.approx(float(mpmath.diff(definition, beta)), rel=1e-11, abs=1e-12)
        assert curvature[i] == pytest.approx(float(mpmath.diff(definition, beta, 2)), rel=1e-10, abs=1e-12)
        assert shortfall[i] == max(row) - row[label]


@pytest.mark.parametrize("num_classes", [1, 2, 3, 7, 8, 9, 1000])
def test_curvature_is_the_slope_of_the_slope(num_classes):
    rng = np.random.default_rng(num_classes)
    logits, labels = rng.normal(size=(20, num_classes)), rng.integers(0, num_classes, 20)
    (_, low, *_), (*_, curvature, _), (_, high, *_) = (
        derivatives(logits, labels, b) for b in (0.8 - 1e-5, 0.8, 0.8 + 1e-5)
    )
    np.testing.assert_allclose((high - low) / 2e-5, curvature, rtol=1e-7, atol=1e-9)


def test_trap_02_impossible_classes_have_no_part():
    logits = np.array([[1.0, 2.0, 0.5]])
    masked = np.array([[1.0, -np.inf, 2.0, -np.inf, 0.5]])
    for beta in (0.0, 1.0, 100.0):
        for with_mask, without in zip(
            derivatives(masked, np.array([2]), beta), derivatives(logits, np.array([1]), beta), strict=True
        ):
            np.testing.assert_allclose(with_mask, without, rtol=1e-15)


@pytest.mark.parametrize("row", [[np.nan, 1, 2], [np.inf, 1, 2], [-np.inf] * 3, [0, -np.inf, 1]])
def test_trap_04_only_a_row_without_a_finite_loss_is_spoilt(row):
    logits = np.array([[0.0, 1, 2], row, [0, 1, 2]])
    _, slope, *_ = derivatives(logits, np.array([1, 1, 1]), 1.0)
    assert np.isfinite(slope).tolist() == [True, False, True]


@pytest.mark.parametrize("num_classes", [1, 2, 3, 10, 16, 37, 100, 257, 5000])
@pytest.mark.parametrize("beta", [0.01, 1.0, 30.0])
def test_in_float32_derivatives_are_within_the_bound_on_roundings(num_classes, beta):
    rng = np.random.default_rng(num_classes)
    logits = (rng.normal(size=(30, num_classes)) * 3 + rng.integers(-9, 9, (30, 1))).astype(np.float32)
    labels = rng.integers(0, num_classes, 30)
    logits[rng.random(logits.shape) < 0.1] = -np.inf
    logits[np.arange(30), labels] = 0
    found, expected = in_float32(logits, labels, beta), derivatives(logits, labels, beta)[1:]
    pull = expected[2] - expected[0]
    second = expected[1] + pull**2
    bound = 44 * 2.0**-24 * (pull + beta * second)
    assert (np.abs(found[0] - expected[0]) <= bound + 1e-15).all()
    # The variance is a difference of two moments; beyond exp(-131) terms are 0.
    assert (np.abs(found[1] - expected[1]) <= 1e-5 * second * (1 + beta) + 1e-50).all()
    np.testing.assert_array_equal(found[2], expected[2])


@pytest.mark.parametrize("exponent", [-24, 0, 60])
def test_in_float32_moments_stay_in_range_wherever_they_are_asked_for(exponent):
    beta = 2.0**exponent
    rng = np.random.default_rng(exponent + 24)
    labels = rng.integers(0, 40, 20)
    for spread in (1e-3, 1.0, 100.0):
        logits = (rng.normal(size=(20, 40)) * spread / beta).astype(np.float32)
        found, expected = in_float32(logits, labels, beta), derivatives(logits, labels, beta)[1:]
        np.testing.assert_allclose(found[2] - found[0], expected[2] - expected[0], rtol=1e-4, atol=1e-30)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-3, atol=1e-5 * (spread / beta) ** 2)


@pytest.mark.parametrize("row", [[np.nan, 1, 2], [np.inf, 1, 2], [-np.inf] * 3, [0, -np.inf, 1]])
def test_trap_04_in_float32_only_a_row_without_a_finite_loss_is_spoilt(row):
    logits = np.array([[0.0, 1, 2], row, [0, 1, 2]], np.float32)
    slope, *_ = in_float32(logits, np.array([1, 1, 1]), 1.0)
    assert np.isfinite(slope).tolist() == [True, False, True]


def test_trap_08_in_float32_a_confident_right_row_keeps_its_derivatives():
    logits, labels = np.array([[30.0, 0.0, -5.0]], np.float32), np.array([0])
    found, expected = in_float32(logits, labels, 1.5), derivatives(logits, labels, 1.5)[1:]
    assert expected[0][0] == pytest.approx(-30 * np.exp(-45), rel=1e-2)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)


def test_trap_07_large_logits_with_small_gaps_in_float32():
    logits, labels = np.array([[1e4, 1e4 + 2.0**-9, 1e4 - 2.0**-8]], np.float32), np.array([0])
    found, expected = in_float32(logits, labels, 200.0), derivatives(logits, labels, 200.0)[1:]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
