import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer.linear import DenseFeatures, SparseFeatures
from lastlayer.solvers import Curvature
from lastlayer.solvers import curvature as curvature_module
from lastlayer.solvers.curvature import rows_for_covariance

PENALTY = 0.03


def dense_curvature(X, row_weight, mean):
    return Curvature.of_features(DenseFeatures(X), mean, row_weight, np.random.RandomState(0))


def test_without_intercept_it_is_the_inverse_of_mass_times_covariance_plus_penalty():
    rng = np.random.default_rng(0)
    X, row_weight = rng.standard_normal((50, 6)) @ rng.standard_normal((6, 6)), rng.random(50)
    mean = np.average(X, axis=0, weights=row_weight)
    covariance = np.cov(X.T, aweights=row_weight, ddof=0)
    masses, gradient = np.array([0.2, 0.05, 0.1]), rng.standard_normal((3, 6))
    found, none = dense_curvature(X, row_weight, mean).solve(gradient, None, masses, None, PENALTY)
    expected = [np.linalg.solve(m * covariance + PENALTY * np.eye(6), g) for m, g in zip(masses, gradient, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert none is None


@pytest.mark.parametrize("rows", [50, 4])
def test_it_is_symmetric_and_positive_with_intercepts_too(rows):
    # Four rows of six features: the eigenvectors come from the products of the rows.
    rng = np.random.default_rng(1)
    X = rng.standard_normal((rows, 6))
    curvature = dense_curvature(X, np.ones(rows), X.mean(axis=0))
    masses, centres = np.array([0.2, 0.05, 0.1]), rng.standard_normal((3, 6))

    def inverse(flat):
        weight, intercept = curvature.solve(flat[:18].reshape(3, 6), flat[18:], masses, centres, PENALTY)
        return np.concatenate([weight.ravel(), intercept])

    matrix = np.column_stack([inverse(column) for column in np.eye(21)])
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-10)
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_sparse_features_take_the_variance_of_each_column():
    rng = np.random.default_rng(2)
    X, row_weight = rng.random((40, 5)) * (rng.random((40, 5)) < 0.4), np.full(40, 1 / 40)
    curvature = Curvature.of_sparse(SparseFeatures(sp.csr_array(X)), X.mean(axis=0), row_weight)
    gradient, masses = rng.standard_normal((2, 5)), np.array([0.25, 0.1])
    found, _ = curvature.solve(gradient, None, masses, None, PENALTY)
    np.testing.assert_allclose(found, gradient / (np.outer(masses, X.var(axis=0)) + PENALTY))


def test_rows_of_weight_zero_do_not_count():
    rng = np.random.default_rng(3)
    X, row_weight = rng.standard_normal((30, 4)), np.ones(30)
    X[20:], row_weight[20:] = 1e3, 0
    gradient, masses = rng.standard_normal((2, 4)), np.array([0.2, 0.2])
    with_them = dense_curvature(X, row_weight, X[:20].mean(axis=0)).solve(gradient, None, masses, None, PENALTY)[0]
    without = dense_curvature(X[:20], np.ones(20), X[:20].mean(axis=0)).solve(gradient, None, masses, None, PENALTY)[0]
    np.testing.assert_allclose(with_them, without, rtol=1e-8)


def test_all_directions_of_many_features_are_sought_where_a_pass_is_dear_enough():
    assert rows_for_covariance(1024) == 8192
    assert rows_for_covariance(2048) == 1024
    assert rows_for_covariance(2048, 1_281_167 * 1000) == 8 * 2048
    assert rows_for_covariance(2048, 40 * 2048**2 - 1) == 1024
    assert rows_for_covariance(4097, 1 << 50) == 1024


def test_a_sample_of_as_many_rows_as_features_has_all_directions_however_many(monkeypatch):
    monkeypatch.setattr(curvature_module, "_MOST_FEATURES", 4)
    X = np.random.default_rng(4).standard_normal((4096, 6))
    mean, gradient = X.mean(axis=0), np.eye(2, 6)
    generator = np.random.RandomState(0)
    found = Curvature.of_features(DenseFeatures(X), mean, np.ones(4096), generator, 40 * 6**2)
    exact = np.linalg.solve(0.2 * np.cov(X.T, ddof=0) + PENALTY * np.eye(6), gradient.T).T
    np.testing.assert_allclose(found.solve(gradient, None, np.full(2, 0.2), None, PENALTY)[0], exact, rtol=1e-8)
