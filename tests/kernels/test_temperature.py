import mpmath
import numpy as np
import pytest

from lastlayer.kernels.temperature import temperature_rows
from tests.oracles.temperature import mean_loss


def derivatives(logits, labels, beta):
    """Per row: the loss, its first and second derivative, and the shortfall of the label."""
    results = tuple(np.empty(len(labels)) for _ in range(4))
    temperature_rows(logits, labels, np.full(len(labels), float(beta)), np.empty(0), *results)
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
