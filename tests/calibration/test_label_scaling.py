"""Slopes and offsets of many labels against a generic minimiser of the same function."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from lastlayer.calibration import fit_label_scaling

N, K = 400, 5


def data(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    logits = (2 * rng.standard_normal((N, K)) - 1).astype(dtype)
    true = logits * np.linspace(0.3, 1.5, K) + np.linspace(-1, 1, K)
    return logits, true + rng.logistic(size=true.shape) > 0


def penalised(point, z, y, weight, centre, apart):
    m = point[0] * z + point[1]
    losses = np.where(y, np.logaddexp(0, -m), np.logaddexp(0, m))
    return float((weight * losses).sum() + 0.5 * (((point - centre) / apart) ** 2).sum())


def least(*given):
    return minimize(penalised, given[3], given, method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_against_a_generic_minimiser(dtype, weighted):
    logits, Y = data(dtype=dtype)
    weight = np.random.default_rng(1).integers(0, 3, N).astype(float) if weighted else np.ones(N)
    found = fit_label_scaling(logits, sp.csc_array(Y), weight if weighted else None)
    wide = logits.astype(np.float64)
    common = least(wide, Y, weight[:, None], np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    apart = np.array([0.25 * common[0], 0.5])
    for k in range(K):
        expected = least(wide[:, k], Y[:, k], weight, common, apart)
        np.testing.assert_allclose([found.beta[k], found.bias[k]], expected, atol=2e-5)


def test_a_label_of_few_rows_keeps_what_all_have_in_common():
    logits, Y = data(2)
    Y[:, 0] = False
    Y[np.argmin(logits[:, 0]), 0] = True
    alone = sp.csc_array(Y)
    found = fit_label_scaling(logits, alone)
    others = fit_label_scaling(logits[:, 1:], sp.csc_array(Y[:, 1:]))
    assert 0.3 * others.beta.mean() < found.beta[0] < others.beta.mean()
    assert (found.beta > 0).all()


def test_separable_rows_and_labels_without_any_stay_finite():
    logits, _ = data(3)
    for Y in (logits > 0, logits < np.inf, logits > np.inf, logits < 0):
        found = fit_label_scaling(logits * 50, sp.csc_array(Y))
        assert np.isfinite(found.beta).all()
        assert np.isfinite(found.bias).all()
        assert (found.beta > 0).all()


@pytest.mark.parametrize("score", [0.0, -3.0])
def test_scores_that_are_all_alike(score):
    for has in (True, False):
        found = fit_label_scaling(np.full((20, 2), score), sp.csc_array(np.full((20, 2), has)))
        assert np.isfinite(found.beta).all()
        assert (np.sign(found.beta * score + found.bias) == (1 if has else -1)).all()


def test_one_row_says_little():
    found = fit_label_scaling(np.array([[-1.0, -2.0, 0.5]]), sp.csc_array((1, 3)))
    assert (abs(found.beta - 1) < 0.6).all()
    assert (abs(found.bias) < 1.5).all()
