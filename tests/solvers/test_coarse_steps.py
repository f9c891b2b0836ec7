"""Rounded steps: what they are worth, and that nothing that is said in the end comes from them."""

import numpy as np
import pytest

from lastlayer._memory import memory_allowance
from lastlayer.kernels.bfloat16 import has_tiles
from lastlayer.linear import DenseFeatures
from lastlayer.solvers import LocalRows, SoftmaxRegression, logit_line, minimise
from lastlayer.solvers.coarse_steps import CoarseSteps
from lastlayer.solvers.logit_line import LogitLine
from tests.oracles import softmax_regression as oracle

with_tiles = pytest.mark.skipif(not has_tiles(), reason="this processor multiplies no tiles of bfloat16")


def data(num_rows=3000, num_features=20, num_classes=7, dtype=np.float32):
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((num_rows, num_features)) * rng.uniform(0.1, 3, num_features)).astype(dtype)
    truth = rng.standard_normal((num_features, num_classes))
    labels = (features @ truth + 3 * rng.gumbel(size=(num_rows, num_classes))).argmax(axis=1)
    return features, labels, rng.integers(0, 3, num_rows).astype(float)


class RoundedLine(LogitLine):
    """Steps that are off by a share of a thousandth, for processors that have none of their own."""

    def step(self, t):
        slope = super().step(t)
        return slope._replace(loss=slope.loss * (1 + 1e-6), gradient=slope.gradient * np.float32(1.001))


@pytest.fixture
def rounded(monkeypatch):
    monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    monkeypatch.setattr(
        LocalRows,
        "coarse_steps",
        lambda self, mean: RoundedLine(self.features, self.labels, self.row_weight, self.num_classes),
    )


def fit(features, labels, weight, tol=1e-4, max_iter=500, C=1.0, **options):
    rows = LocalRows(features, labels, weight, 7)
    penalty = 1 / (C * weight.sum())
    problem = SoftmaxRegression(rows, penalty, fit_intercept=True, generator=np.random.RandomState(0))
    return minimise(problem, tol=tol, max_iter=max_iter, **options)


@with_tiles
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_a_step_is_the_exact_one_to_about_three_digits(dtype, scaled, offset):
    features, labels, weight = data()
    # Of rows that lie far from 0, only where they differ is rounded.
    stored = (features + np.float32(offset)).astype(dtype)
    matrix = DenseFeatures(stored, stored.std(axis=0, dtype=np.float64) if scaled else None)
    rng = np.random.default_rng(1)
    head = rng.standard_normal((7, 20)).astype(np.float32), rng.standard_normal(7)
    direction = rng.standard_normal((7, 20)).astype(np.float32), rng.standard_normal(7)
    weight = weight / weight.sum()
    mean = matrix.take(slice(None)).mean(axis=0, dtype=np.float64)
    exact, coarse = LogitLine(matrix, labels, weight, 7), CoarseSteps(matrix, labels, weight, 7, mean)
    for line in (exact, coarse):
        line.set_head(head[0], head[1] - head[0] @ mean)
        line.set_direction(direction[0], direction[1] - direction[0] @ mean)
    for t in (0.0, 0.7):
        best, found = exact.step(t), coarse.step(t)
        assert found.loss == pytest.approx(best.loss, rel=1e-3)
        np.testing.assert_allclose(found.residual_sum, best.residual_sum, atol=1e-3)
        np.testing.assert_allclose(found.masses, best.masses, rtol=5e-3)
        # About the mean, as the solver has it.
        np.testing.assert_allclose(
            found.gradient - np.outer(found.residual_sum, mean),
            best.gradient - np.outer(best.residual_sum, mean),
            atol=5e-3 * np.abs(best.gradient - np.outer(best.residual_sum, mean)).max(),
        )


@with_tiles
def test_a_fit_that_begins_with_them_ends_where_the_exact_one_does(monkeypatch):
    features, labels, weight = data()
    kept = fit(DenseFeatures(features), labels, weight, tol=1e-6)
    monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    taken = []
    step = CoarseSteps.step
    monkeypatch.setattr(CoarseSteps, "step", lambda self, t: taken.append(t) or step(self, t))
    weights, intercept, optimum = fit(DenseFeatures(features), labels, weight, tol=1e-6)
    assert taken
    assert optimum.stopped == "converged"
    assert optimum.objective == pytest.approx(kept[2].objective, rel=1e-6)
    assert optimum.objective == pytest.approx(oracle.objective(features, labels, weight, weights, intercept, 1.0), 1e-6)
    assert optimum.gap <= 1e-5 * optimum.objective


@pytest.mark.thorough
def test_what_is_said_in_the_end_is_exact(rounded):
    features, labels, weight = data()
    for max_iter in (2, 500):
        weights, intercept, optimum = fit(DenseFeatures(features), labels, weight, max_iter=max_iter)
        exact = oracle.objective(features, labels, weight, weights, intercept, 1.0)
        assert optimum.objective == pytest.approx(exact, rel=2e-7)
        assert optimum.stopped == ("max_iter" if max_iter == 2 else "converged")
    best = oracle.objective(features, labels, weight, *oracle.optimum(features, labels, weight, 7, 1.0), 1.0)
    assert optimum.objective - optimum.gap <= best * (1 + 1e-6)
    assert optimum.gap <= 1e-3 * best


def test_an_interrupt_among_rounded_steps_leaves_a_head_without_a_bound(rounded):
    features, labels, weight = data()
    seen = []

    def report(optimum):
        seen.append(optimum)
        if len(seen) == 3:
            raise KeyboardInterrupt

    _, _, optimum = fit(DenseFeatures(features), labels, weight, report=report)
    assert optimum.stopped == "interrupted"
    assert [one.gap for one in seen] == [np.inf] * 3
    assert optimum.gap == np.inf


def test_steps_are_rounded_for_dense_features_of_float32_alone(monkeypatch):
    monkeypatch.setattr("lastlayer.linear.bfloat16_products.has_tiles", lambda: True)
    features, labels, weight = data(dtype=np.float64)
    rows = LocalRows(DenseFeatures(features), labels, weight, 7)
    assert rows.coarse_steps(np.zeros(20)) is None
    rows = LocalRows(DenseFeatures(features.astype(np.float32)), labels, weight, 7)
    assert isinstance(rows.coarse_steps(np.zeros(20)), CoarseSteps)
    with memory_allowance(1 << 18):
        assert rows.coarse_steps(np.zeros(20)) is None
    monkeypatch.setattr("lastlayer.linear.bfloat16_products.has_tiles", lambda: False)
    assert rows.coarse_steps(np.zeros(20)) is None
