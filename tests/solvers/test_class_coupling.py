import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from lastlayer.linear import DenseFeatures
from lastlayer.solvers import Curvature, SoftmaxRegression, class_coupling, logit_line, minimise, softmax_search
from lastlayer.solvers.class_coupling import ClassCoupling, rows_for_coupling
from lastlayer.solvers.local_rows import LocalRows


def sample_of(rng, num_rows=40, num_features=3, num_classes=4, dtype=np.float64):
    X = rng.standard_normal((num_rows, num_features)).astype(dtype)
    labels = rng.integers(0, num_classes, num_rows)
    return X, LocalRows(DenseFeatures(X), labels, rng.random(num_rows) + 0.1, num_classes)


def definition(X, row_weight, weight, intercept):
    """The weighted mean of diag(p) - p p', a row at a time, in float64."""
    mean = 0.0
    for x, share in zip(X.astype(np.float64), row_weight, strict=True):
        p = softmax(weight @ x + intercept)
        mean = mean + share * (np.diag(p) - np.outer(p, p))
    return mean


def matrix_of(coupling):
    return (coupling.eigenvectors * coupling.eigenvalues) @ coupling.eigenvectors.T


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_beside_the_diagonal_it_is_the_mean_of_the_definition_less_a_tenth(dtype, rtol):
    rng = np.random.default_rng(0)
    X, sample = sample_of(rng, dtype=dtype)
    weight, intercept = rng.standard_normal((4, 3)), rng.standard_normal(4)
    expected = definition(X, sample.row_weight, weight, intercept)
    found = matrix_of(ClassCoupling.of_rows(sample, weight, intercept, np.diagonal(expected)))
    np.testing.assert_allclose(np.diagonal(found), np.diagonal(expected), rtol=rtol)
    expected *= 0.9 + 0.1 * np.eye(4)
    np.testing.assert_allclose(found, expected, rtol=10 * rtol)


def test_at_weight_zero_with_two_equal_classes_it_is_a_quarter_beside_its_negative():
    # p = 1/2: diag(p) - p p' = [[1/4, -1/4], [-1/4, 1/4]].
    _, sample = sample_of(np.random.default_rng(1), num_classes=2)
    found = ClassCoupling.of_rows(sample, np.zeros((2, 3)), np.zeros(2), np.full(2, 0.25))
    np.testing.assert_allclose(matrix_of(found), [[0.25, -0.225], [-0.225, 0.25]], rtol=1e-12)
    np.testing.assert_allclose(found.eigenvalues, [0.025, 0.475], rtol=1e-12)


@given(scale=st.floats(0, 1e3), seed=st.integers(0, 99))
def test_it_is_positive_however_sure_the_head_is_of_the_sample(scale, seed):
    rng = np.random.default_rng(seed)
    _, sample = sample_of(rng, num_rows=6, num_classes=5)
    masses = rng.uniform(1e-4, 0.2, 5)
    found = ClassCoupling.of_rows(sample, scale * rng.standard_normal((5, 3)), np.zeros(5), masses)
    assert (found.eigenvalues > 0).all()
    assert np.isfinite(found.eigenvectors).all()
    np.testing.assert_allclose(np.diagonal(matrix_of(found)), masses, rtol=1e-6, atol=1e-12)


def test_rows_that_were_taken_from_others_count_as_if_they_were_all():
    rng = np.random.default_rng(5)
    X, rows = sample_of(rng)
    some = rows.take(np.arange(0, 40, 10))
    alone = LocalRows(DenseFeatures(X[::10]), rows.labels[::10], rows.row_weight[::10], 4)
    head = rng.standard_normal((4, 3)), np.zeros(4), np.full(4, 0.1)
    found, expected = (matrix_of(ClassCoupling.of_rows(sample, *head)) for sample in (some, alone))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_it_does_not_depend_on_the_blocks(monkeypatch):
    rng = np.random.default_rng(2)
    _, sample = sample_of(rng)
    head = rng.standard_normal((4, 3)), np.zeros(4), np.full(4, 0.1)
    whole = matrix_of(ClassCoupling.of_rows(sample, *head))
    monkeypatch.setattr(class_coupling, "_BLOCK", 12)
    np.testing.assert_allclose(matrix_of(ClassCoupling.of_rows(sample, *head)), whole, rtol=1e-12)


def test_the_preconditioner_inverts_its_product_with_the_covariance():
    rng = np.random.default_rng(3)
    X, sample = sample_of(rng)
    weight, masses, mean = rng.standard_normal((4, 3)), rng.uniform(0.05, 0.2, 4), X.mean(axis=0)
    coupling = ClassCoupling.of_rows(sample, weight, np.zeros(4), masses)
    curvature = Curvature.of_features(DenseFeatures(X), mean, np.ones(40), np.random.RandomState(0))
    gradient = rng.standard_normal((4, 3))
    hessian = np.kron(matrix_of(coupling), np.cov(X.T, ddof=0)) + 0.03 * np.eye(12)
    found, _ = curvature.solve(gradient, None, masses, np.zeros((4, 3)), 0.03, coupling)
    np.testing.assert_allclose(found.ravel(), np.linalg.solve(hessian, gradient.ravel()), rtol=1e-9)
    _, shift = curvature.solve(gradient, gradient[:, 0], masses, np.zeros((4, 3)), 0.03, coupling)
    np.testing.assert_allclose(shift, np.linalg.solve(matrix_of(coupling), gradient[:, 0]), rtol=1e-9)


def test_a_sample_is_taken_where_it_is_cheap_beside_an_iteration():
    rows = rows_for_coupling((1_281_167, 2048), 1000)
    assert rows is not None
    assert rows.size == np.unique(rows).size == 16_000
    assert rows_for_coupling((100_000, 128), 10_000) is None
    assert rows_for_coupling((15_000, 384), 150) is None
    assert rows_for_coupling((10, 3), 4) is None


def test_the_sample_sees_the_classes_of_rows_that_repeat_and_of_rows_that_are_sorted():
    rows = rows_for_coupling((100_000, 16), 64)
    assert rows is not None
    assert np.unique(rows % 64).size == np.unique(rows * 64 // 100_000).size == 64


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_search_that_knows_the_coupling_ends_at_the_same_optimum_in_fewer_iterations(monkeypatch, fit_intercept):
    # Classes in pairs that are mistaken for each other, rows sorted by class, of weights that differ.
    rng = np.random.default_rng(4)
    means = rng.standard_normal((6, 8)) * 3
    labels = np.sort(np.append(rng.integers(0, 12, 5000), np.arange(12)))
    X = means[labels // 2] + rng.standard_normal((12, 8))[labels] * 0.3 + rng.standard_normal((5012, 8))
    row_weight = rng.random(5012) + 0.5

    def found(**options):
        rows = LocalRows(DenseFeatures(X), labels, row_weight, 12)
        generator = np.random.RandomState(0)
        problem = SoftmaxRegression(rows, 1e-3, fit_intercept=fit_intercept, generator=generator)
        return minimise(problem, max_iter=500, **options)[2]

    best = found(tol=1e-10)
    monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    coupled = found(tol=1e-7)
    monkeypatch.setattr(softmax_search, "rows_for_coupling", lambda *shape: None)
    independent = found(tol=1e-7)
    np.testing.assert_allclose([coupled.objective, independent.objective], best.objective, rtol=1e-6)
    assert coupled.objective - coupled.gap <= best.objective
    assert coupled.iterations < independent.iterations
