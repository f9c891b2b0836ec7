"""Loss, slope, curvature and residuals along a line of logits, against differences of the definition."""

import numpy as np
import pytest

from lastlayer.kernels.softmax_regression import line_rows, step_rows


def block(seed, rows, classes, dtype):
    rng = np.random.default_rng(seed)
    logits, direction = rng.standard_normal((2, rows, classes)).astype(dtype) * dtype(3)
    offset = rng.standard_normal(classes).astype(dtype)
    return logits, direction, offset, rng.integers(0, classes, rows), rng.random(rows)


def loss(logits, labels, weight):
    logits = np.asarray(logits, np.longdouble)
    top = logits.max(axis=1)
    log_sum = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
    return weight @ (log_sum - logits[np.arange(len(labels)), labels])


@pytest.mark.parametrize(("dtype", "accuracy"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("classes", [2, 10, 33, 150])
def test_derivatives_along_the_line(classes, dtype, accuracy):
    logits, direction, offset, labels, weight = block(classes, 20, classes, dtype)
    t, h = 0.25, 1e-4
    scratch = np.empty((2, classes), dtype)
    value, slope, curvature = line_rows(logits, direction, offset, labels, weight, dtype(t), scratch)
    wide = logits.astype(np.longdouble), direction.astype(np.longdouble) + offset

    def at(t):
        return loss(wide[0] + t * wide[1], labels, weight)

    assert value == pytest.approx(float(at(t)), rel=accuracy)
    assert slope == pytest.approx(float((at(t + h) - at(t - h)) / (2 * h)), rel=1e-4, abs=1e-4)
    assert curvature == pytest.approx(float((at(t + h) - 2 * at(t) + at(t - h)) / h**2), rel=1e-3)


@pytest.mark.parametrize("classes", [2, 10, 33, 150])
def test_a_step_writes_residuals_and_masses(classes):
    logits, direction, offset, labels, weight = block(classes, 20, classes, np.float64)
    start, t, h = logits.copy(), 0.5, 1e-5
    residual, masses, sums = np.empty_like(logits), np.ones(classes), np.ones(classes)
    value = step_rows(logits, direction, offset, labels, weight, t, residual, masses, sums)
    np.testing.assert_allclose(logits, start + t * (direction + offset), rtol=1e-14)
    assert value == pytest.approx(float(loss(logits, labels, weight)), rel=1e-13)
    upstream = np.random.default_rng(1).standard_normal(logits.shape)
    change = loss(logits + h * upstream, labels, weight) - loss(logits - h * upstream, labels, weight)
    assert float(change / (2 * h)) == pytest.approx((residual * upstream).sum(), rel=1e-7, abs=1e-9)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(masses - 1, weight @ (p * (1 - p)), rtol=1e-11)
    np.testing.assert_allclose(sums - 1, residual.sum(axis=0), atol=1e-13)


def test_trap_08_the_residual_of_a_confident_right_answer_does_not_cancel():
    logits = np.array([[40.0, 0.0, 0.0]])
    residual, sums = np.empty_like(logits), np.zeros((2, 3))
    step_rows(logits, np.zeros_like(logits), np.zeros(3), np.zeros(1, int), np.ones(1), 0.0, residual, *sums)
    rest = 2 * np.exp(-40.0)
    np.testing.assert_allclose(residual[0], [-rest, rest / 2, rest / 2], rtol=1e-14)
