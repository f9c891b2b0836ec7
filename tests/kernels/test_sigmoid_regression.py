"""The loops over labels' logits against sums of mpmath's numbers."""

import numpy as np
import pytest
from mpmath import mp, mpf

from lastlayer.kernels.sigmoid_regression import line_labels, step_labels

ROWS = 37


def data(dtype):
    rng = np.random.default_rng(0)
    logits = (rng.standard_normal((3, ROWS)) * np.array([[1.0], [30.0], [1e-3]])).astype(dtype)
    direction = rng.standard_normal((3, ROWS)).astype(dtype)
    answers = rng.integers(0, 2, (3, ROWS)).astype(np.uint8)
    return logits, direction, answers, rng.random(ROWS).astype(dtype), rng.uniform(0.5, 2, (3, 2)).astype(dtype)


def exact(z, step, answers, weight, factors):
    """Loss, slope and curvature along `step`, then the slopes and the mean of p (1 - p), of one label."""
    with mp.workdps(40):
        loss = slope = curvature = mass = mpf(0)
        slopes = []
        for at, by, yes, own in zip(z, step, answers, weight, strict=True):
            at, by, s = mpf(float(at)), mpf(float(by)), mpf(float(own)) * mpf(float(factors[yes]))
            p = 1 / (1 + mp.exp(-at))
            loss += s * mp.log1p(mp.exp(-at if yes else at))
            slopes.append(s * (p - int(yes)))
            slope += slopes[-1] * by
            curvature += s * p * (1 - p) * by * by
            mass += s * p * (1 - p)
        return [float(value) for value in (loss, slope, curvature, mass)], [float(value) for value in slopes]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_along_a_line_and_the_slopes_after_a_step(dtype):
    logits, direction, answers, weight, factors = data(dtype)
    signs = (1 - 2 * answers.astype(int)).astype(dtype)
    tolerance, which = 20 * float(np.finfo(dtype).eps), np.array([2, 0])
    steps, sums = np.array([0.5, -2.0], dtype), np.empty((2, 3))
    line_labels(logits, direction, signs, weight, factors, which, steps, sums)
    for t, found, k in zip(steps, sums, which, strict=True):
        (loss, slope, curvature, _), _ = exact(
            logits[k] + t * direction[k], direction[k], answers[k], weight, factors[k]
        )
        np.testing.assert_allclose(found[[0, 2]], [loss, curvature], rtol=tolerance)
        assert found[1] == pytest.approx(slope, abs=tolerance * ROWS)
    steps, sums, moved = np.array([0.5, 1.0, 0.0], dtype), np.empty((3, 3)), direction.copy()
    before = logits.copy()
    step_labels(logits, moved, signs, weight, factors, steps, sums)
    for k in range(3):
        np.testing.assert_allclose(logits[k], before[k] + steps[k] * direction[k], rtol=tolerance)
        (loss, _, _, mass), slopes = exact(logits[k], direction[k], answers[k], weight, factors[k])
        np.testing.assert_allclose(sums[k, [0, 2]], [loss, mass], rtol=tolerance)
        assert sums[k, 1] == pytest.approx(sum(slopes), abs=tolerance * ROWS)
        # Trap 8: a confident right answer keeps its slope.
        np.testing.assert_allclose(moved[k], slopes, rtol=tolerance)
