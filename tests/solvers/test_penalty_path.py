"""A search from penalty to penalty reaches each one's optimum, and takes no pass where the penalty changes."""

import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer.linear import DenseFeatures, SparseFeatures
from lastlayer.solvers import LocalRows, PenaltyPath, SoftmaxRegression, logit_line
from tests.oracles import softmax_regression as oracle


def data(seed=1, rows=80, columns=4, classes=3):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, columns)) + rng.standard_normal(columns)
    scores = features @ rng.standard_normal((columns, classes)) + rng.gumbel(size=(rows, classes))
    return features, scores.argmax(axis=1), rng.uniform(0.1, 2, rows)


def problem(features, labels, weight, *, fit_intercept=True, curvature=None):
    matrix = SparseFeatures(features) if sp.issparse(features) else DenseFeatures(features)
    generator = np.random.RandomState(0)
    return SoftmaxRegression(
        *(LocalRows(matrix, labels, weight, 3), 1.0),
        fit_intercept=fit_intercept,
        generator=generator,
        curvature=curvature,
    )


def settle(path):
    for _ in range(200):
        if path.predicted_share() <= 1e-14 or not path.advance():
            return
    pytest.fail("does not settle")


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_each_penalty_reaches_the_optimum_of_the_definition(monkeypatch, kept, fit_intercept):
    if not kept:
        monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    features, labels, weight = data()
    path = PenaltyPath(problem(features, labels, weight, fit_intercept=fit_intercept))
    for C in (0.01, 0.3, 20.0, 1.0):  # and back
        path.set_penalty(1 / (C * weight.sum()))
        settle(path)
        best = oracle.optimum(features, labels, weight, 3, C, fit_intercept)
        least = oracle.objective(features, labels, weight, *best, C)
        assert oracle.objective(features, labels, weight, *path.head(), C) <= least * (1 + 1e-8)


def test_the_curvature_of_other_rows_changes_the_way_and_not_the_end():
    features, labels, weight = data()
    other = problem(*data(seed=2)).curvature
    path = PenaltyPath(problem(features, labels, weight, curvature=other))
    path.set_penalty(1 / weight.sum())
    settle(path)
    least = oracle.objective(features, labels, weight, *oracle.optimum(features, labels, weight, 3, 1.0), 1.0)
    assert oracle.objective(features, labels, weight, *path.head(), 1.0) <= least * (1 + 1e-8)


def test_another_penalty_takes_no_product_with_the_features(monkeypatch):
    path = PenaltyPath(problem(*data()))
    path.advance()
    head = path.head()
    for name in ("times", "adjoint"):
        monkeypatch.setattr(DenseFeatures, name, None)
    path.set_penalty(0.01)
    assert 0 < path.predicted_share() < 1
    for before, after in zip(head, path.head(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_sparse_features():
    features, labels, weight = data()
    heads = []
    for matrix in (features, sp.csr_array(features)):
        path = PenaltyPath(problem(matrix, labels, weight))
        path.set_penalty(0.02)
        settle(path)
        heads.append(path.head()[0])
    np.testing.assert_allclose(*heads, atol=1e-6)
