import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer.linear import DenseFeatures, SparseFeatures
from lastlayer.solvers import FeatureBasis


def skewed(rows=3000, columns=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, columns)) @ rng.standard_normal((columns, columns)) + 100.0


def basis_of(X, *, centred=True, ridge=0.0, weight=None):
    features = SparseFeatures(X) if sp.issparse(X) else DenseFeatures(X)
    weight = np.ones(X.shape[0]) if weight is None else weight
    return FeatureBasis.of_rows(features, np.arange(X.shape[0]), weight, centred=centred, ridge=ridge)


def test_coordinates_are_uncorrelated_and_of_variance_one():
    X = skewed()
    z = basis_of(X).coordinates(X.copy())
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    covariance = np.cov(z.T, bias=True)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-9)
    assert (np.diag(covariance) <= 1).all()
    assert np.diag(covariance).max() > 0.99


@pytest.mark.parametrize("columns", [6, 1100])
@pytest.mark.parametrize("centred", [True, False])
def test_a_head_there_and_back_gives_the_same_scores(columns, centred):
    X = skewed(400, columns)
    basis, rng = basis_of(X, centred=centred), np.random.default_rng(1)
    weight, intercept = rng.standard_normal((4, columns)), rng.standard_normal(4)
    scores = X @ weight.T + intercept
    there, bias = basis.of_head(weight, intercept)
    np.testing.assert_allclose(basis.coordinates(X.copy()) @ there.T + bias, scores, rtol=1e-6, atol=1e-6)
    # The penalty is one on each column.
    square = (there**2 * basis.scale**2).sum()
    np.testing.assert_allclose(square, (weight**2).sum(), rtol=1e-8)
    again, intercept_again = basis.head(there, bias)
    np.testing.assert_allclose(again, weight, atol=1e-7)
    np.testing.assert_allclose(intercept_again, intercept, atol=1e-3)
    if not centred:
        np.testing.assert_array_equal(intercept_again, intercept)


def test_weights_of_rows_and_sparse_rows_count_as_they_should():
    X = skewed(500)
    twice = np.where(np.arange(500) < 100, 2.0, 1.0)
    one, other = basis_of(X, weight=twice), basis_of(np.concatenate([X, X[:100]]))
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12)
    np.testing.assert_allclose(one.scale, other.scale, rtol=1e-9)
    np.testing.assert_array_equal(basis_of(sp.csr_array(X)).scale, basis_of(X).scale)


def test_a_constant_column_and_a_ridge():
    X = np.column_stack([np.ones(50), np.linspace(-1, 1, 50)])
    assert np.isfinite(basis_of(X).scale).all()
    assert np.isfinite(basis_of(np.ones((50, 2))).scale).all()
    np.testing.assert_allclose(basis_of(X, ridge=100.0).scale, 0.1, rtol=1e-2)


def test_trap_36_squares_beyond_the_numbers_are_refused_by_name():
    X = np.ones((50, 3))
    X[:, 1] = np.linspace(-1e200, 1e200, 50)
    with pytest.raises(ValueError, match="X: column 1 has values whose squares are beyond float64"):
        basis_of(X)
