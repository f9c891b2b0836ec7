import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer.linear import DenseFeatures
from lastlayer.solvers import LabelPath, LocalLabels, SigmoidRegression, blocks_of, minimise_labels


def problem(C, factors=None, fit_intercept=True):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 5)) + 1
    Y = (X - 1) @ rng.standard_normal((5, 4)) - np.arange(4) + rng.logistic(size=(300, 4)) > 0
    factors = np.ones((4, 2)) if factors is None else factors
    generator = np.random.RandomState(0)
    rows = LocalLabels(DenseFeatures(X), sp.csc_array(Y), np.ones(300))
    return SigmoidRegression(rows, factors, C, fit_intercept=fit_intercept, generator=generator)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("factors", [None, np.linspace(0.5, 3, 8).reshape(4, 2)])
def test_each_penalty_ends_at_its_own_optimum(fit_intercept, factors):
    of = problem(1e-3, factors, fit_intercept)
    (labels,) = blocks_of(of)
    path = LabelPath(of, labels)
    for C in (1e-3, 0.1, 30.0):
        path.set_penalty(1 / C)
        iterations = 0
        while path.predicted_share() > 1e-12 and iterations < 60:
            assert path.advance()
            iterations += 1
        expected = minimise_labels(problem(C, factors, fit_intercept), tol=1e-9, max_iter=500)
        weight, intercept = path.head()
        np.testing.assert_allclose(weight, expected.weight, atol=1e-5)
        np.testing.assert_allclose(intercept, expected.intercept, atol=1e-5)


def test_an_iteration_is_proposed_by_itself_and_ends_where_rounding_hides_all():
    path = LabelPath(problem(1.0), np.arange(4))
    before = path.predicted_share()
    path.set_penalty(1.0)
    path.advance()
    assert path.predicted_share() < before
    moves = [path.advance() for _ in range(60)]
    assert moves[0]
    assert not moves[-1]
