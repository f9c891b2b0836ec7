"""Many labels, each to its own optimum, against Newton's method on one label at a time."""

import functools
import math

import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer.linear import DenseFeatures, SparseFeatures
from lastlayer.solvers import (
    LocalLabels,
    SigmoidRegression,
    label_block,
    local_labels,
    minimise_labels,
    sigmoid_regression,
)
from tests.oracles import sigmoid_regression as oracle

N, D, K = 300, 5, 7


def data(seed=0, dtype=np.float64, rows=N, columns=D, labels=K):
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((rows, columns)) + rng.standard_normal(columns)).astype(dtype)
    scores = (X - X.mean(axis=0)) @ rng.standard_normal((columns, labels)) - np.linspace(-2, 3, labels)
    return X, scores + rng.logistic(size=scores.shape) > 0


def problem(X, Y, weight=None, factors=None, C=1.0, fit_intercept=True):
    features = SparseFeatures(X) if sp.issparse(X) else DenseFeatures(X)
    return SigmoidRegression(
        LocalLabels(features, sp.csc_array(Y), np.ones(len(Y)) if weight is None else weight),
        np.ones((Y.shape[1], 2)) if factors is None else factors,
        C,
        fit_intercept=fit_intercept,
        generator=np.random.RandomState(0),
    )


def above_optimum(X, Y, weight, C, head, fit_intercept=True):
    """What each label's objective is above its least value; `weight` is (N,) or (N, K)."""
    X = X.toarray() if sp.issparse(X) else X
    weights = np.broadcast_to(weight if np.ndim(weight) == 2 else np.asarray(weight)[:, None], Y.shape)
    result = []
    for k in range(Y.shape[1]):
        given = X, Y[:, k], weights[:, k]
        best = oracle.optimum(*given, C, fit_intercept)
        result.append(
            oracle.objective(*given, head.weight[k], head.intercept[k], C) - oracle.objective(*given, *best, C)
        )
    return np.array(result)


@functools.cache
def least_objectives(dtype, fit_intercept, C):
    """Features, labels, weights of rows, and the least objective of each label."""
    X, Y = data(dtype=dtype)
    weight = np.random.default_rng(1).random(N)
    best = [oracle.optimum(X, Y[:, k], weight, C, fit_intercept) for k in range(K)]
    return X, Y, weight, [oracle.objective(X, Y[:, k], weight, *best[k], C) for k in range(K)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", [np.ascontiguousarray, np.asfortranarray, sp.csr_array])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_each_label_reaches_its_optimum_and_its_bound_holds(dtype, form, fit_intercept, C):
    X, Y, weight, least = least_objectives(dtype, fit_intercept, C)
    head = minimise_labels(problem(form(X), Y, weight, C=C, fit_intercept=fit_intercept), tol=1e-4, max_iter=500)
    above = [oracle.objective(X, Y[:, k], weight, head.weight[k], head.intercept[k], C) - least[k] for k in range(K)]
    rounding = 4 * np.finfo(dtype).eps
    for optimum, truth in zip(head.optima, above, strict=True):
        assert optimum.stopped == "converged"
        assert truth <= 3e-6 * optimum.objective + rounding
        assert truth - rounding <= optimum.gap <= 1e-4 * optimum.objective
    assert head.weight.dtype == dtype
    assert head.intercept.any() == fit_intercept


def test_answers_weigh_by_their_factors():
    X, Y = data(2)
    weight = np.random.default_rng(3).random(N)
    factors = np.random.default_rng(4).uniform(0.2, 3, (K, 2))
    head = minimise_labels(problem(X, Y, weight, factors), tol=1e-6, max_iter=500)
    weights = weight[:, None] * np.where(Y, factors[:, 1], factors[:, 0])
    above = above_optimum(X, Y, weights, 1.0, head)
    assert (np.abs(above) <= 1e-8).all()
    objectives = [oracle.objective(X, Y[:, k], weights[:, k], head.weight[k], head.intercept[k], 1.0) for k in range(K)]
    np.testing.assert_allclose([optimum.objective for optimum in head.optima], objectives, rtol=1e-12)


def test_trap_30_a_row_of_weight_0_is_as_good_as_absent():
    X, Y = data(5)
    kept = np.random.default_rng(6).random(N) < 0.7
    Y[kept, 0], Y[~kept, 0] = False, True
    weighted = minimise_labels(problem(X, Y, kept.astype(float)), tol=1e-9, max_iter=500)
    absent = minimise_labels(problem(X[kept], Y[kept]), tol=1e-9, max_iter=500)
    np.testing.assert_allclose(weighted.weight, absent.weight, atol=1e-6)
    np.testing.assert_allclose(weighted.intercept, absent.intercept, atol=1e-6)
    assert weighted.optima[0].stopped == absent.optima[0].stopped == "constant"


@pytest.mark.parametrize("has", [False, True])
def test_a_label_of_no_row_or_of_every_row_is_constant(has):
    X, Y = data(7)
    Y[:, 3] = has
    of = problem(X, Y)
    head = minimise_labels(of, tol=1e-4, max_iter=500)
    assert of.constant.tolist() == [k == 3 for k in range(K)]
    assert not head.weight[3].any()
    probability = 1 / (1 + math.exp(-head.intercept[3]))
    assert probability == pytest.approx((N + 0.5) / (N + 1) if has else 0.5 / (N + 1), rel=1e-2)
    assert head.optima[3].stopped == "constant"
    assert head.optima[3].gap == head.optima[3].objective == pytest.approx(-math.log1p(-0.5 / (N + 1)), rel=1e-2)
    without = minimise_labels(problem(X, Y, fit_intercept=False), tol=1e-4, max_iter=500)
    assert without.optima[3].stopped == "converged"


def test_without_a_penalty_separable_labels_say_so():
    X, Y = data(8)
    Y[:, 2] = X[:, 0] > np.median(X[:, 0])
    head = minimise_labels(problem(X, Y, C=math.inf), tol=1e-4, max_iter=500)
    assert head.optima[2].stopped == "separable"
    assert head.optima[2].gap == head.optima[2].objective
    others = [optimum for k, optimum in enumerate(head.optima) if k != 2]
    assert {optimum.stopped for optimum in others} == {"converged"}
    assert all(math.isinf(optimum.gap) for optimum in others)


def test_max_iter_ends_with_the_best_so_far():
    X, Y = data(9)
    head = minimise_labels(problem(X, Y), tol=1e-10, max_iter=2)
    assert {optimum.stopped for optimum in head.optima} == {"max_iter"}
    above = above_optimum(X, Y, np.ones(N), 1.0, head)
    assert all(truth <= optimum.gap for truth, optimum in zip(above, head.optima, strict=True))


def test_the_same_bits_on_any_number_of_threads(monkeypatch):
    X, Y = data(10, np.float32, labels=60)
    heads = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        heads.append(minimise_labels(problem(X, Y), tol=1e-4, max_iter=100))
    for head in heads[1:]:
        np.testing.assert_array_equal(head.weight, heads[0].weight)
        np.testing.assert_array_equal(head.intercept, heads[0].intercept)


def test_a_start_at_the_optimum_stays_there():
    X, Y = data(11)
    first = minimise_labels(problem(X, Y), tol=1e-8, max_iter=500)
    again = minimise_labels(problem(X, Y), tol=1e-6, max_iter=500, start=(first.weight, first.intercept))
    assert {optimum.iterations for optimum in again.optima} == {0}
    np.testing.assert_allclose(again.weight, first.weight, atol=1e-12)
    np.testing.assert_allclose(again.intercept, first.intercept, atol=1e-12)


def test_an_interrupt_keeps_what_there_is(monkeypatch):
    X, Y = data(12, labels=40)
    monkeypatch.setattr(sigmoid_regression, "_FEWEST_LABELS", 10)
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "1")
    advance, calls = label_block.LabelBlock.advance, []

    def interrupted(self, direction):
        calls.append(len(direction))
        if len(calls) == 9:
            raise KeyboardInterrupt
        advance(self, direction)

    monkeypatch.setattr(label_block.LabelBlock, "advance", interrupted)
    of = problem(X, Y)
    head = minimise_labels(of, tol=1e-4, max_iter=500)
    reasons = [optimum.stopped for optimum in head.optima]
    assert set(reasons) == {"converged", "interrupted"}
    assert np.isfinite(head.weight).all()
    # Of labels that were not come to, what is known at the start.
    np.testing.assert_allclose(head.intercept[-1], of.start_of_intercepts()[-1] - head.weight[-1] @ of.mean)
    share = Y[:, -1].mean()
    assert head.optima[-1].objective == pytest.approx(-share * np.log(share) - (1 - share) * np.log1p(-share))
    best = oracle.objective(X, Y[:, -1], np.ones(N), *oracle.optimum(X, Y[:, -1], np.ones(N), 1.0, True), 1.0)
    assert head.optima[-1].objective - best <= head.optima[-1].gap < math.inf


def test_a_fit_goes_on_from_what_was_kept():
    X, Y = data(18)
    kept = []
    whole = minimise_labels(problem(X, Y), tol=1e-6, max_iter=500, keep=lambda make: kept.append(make()))
    ended = [len(head.ended()) for head in kept]
    assert ended == sorted(ended)
    assert ended[0] == 0 < ended[-1] < K
    assert kept[0].optima[0].stopped == "interrupted"
    last, told = kept[-1], []
    again = minimise_labels(
        problem(X, Y),
        tol=1e-6,
        max_iter=500,
        start=(last.weight, last.intercept),
        ended=last.ended(),
        report=lambda *state: told.append(state),
    )
    assert told[0] == (ended[-1], K)
    np.testing.assert_allclose(again.weight, whole.weight, atol=1e-4)
    for k, optimum in last.ended().items():
        assert again.optima[k] == optimum
        np.testing.assert_array_equal(again.weight[k], whole.weight[k])


def test_progress_is_told():
    X, Y = data(13)
    told = []
    minimise_labels(problem(X, Y), tol=1e-4, max_iter=500, report=lambda *state: told.append(state))
    assert told[-1] == (K, K)


@pytest.mark.parametrize("rare", [1, 2, 5, 299])
@pytest.mark.parametrize("C", [1.0, 100.0])
@pytest.mark.parametrize("tol", [1e-2, 1e-4])
def test_the_bound_holds_where_few_rows_weigh_as_much_as_all_others(rare, C, tol):
    X, Y = data(14, labels=2)
    Y[:, 0] = np.arange(N) < rare
    have = Y.mean(axis=0)
    factors = 0.5 / np.column_stack([1 - have, have])
    head = minimise_labels(problem(X, Y, factors=factors, C=C), tol=tol, max_iter=500)
    above = above_optimum(X, Y, np.where(Y, factors[:, 1], factors[:, 0]), C, head)
    for optimum, truth in zip(head.optima, above, strict=True):
        assert truth <= optimum.gap + 1e-12
        assert optimum.gap <= tol * optimum.objective


def test_a_factor_of_0_makes_rows_as_good_as_absent():
    X, Y = data(15)
    factors = np.ones((K, 2))
    factors[1, 1] = factors[2, 0] = 0.0
    head = minimise_labels(problem(X, Y, factors=factors), tol=1e-4, max_iter=500)
    assert [optimum.stopped for optimum in head.optima[1:3]] == ["constant", "constant"]
    assert head.intercept[1] < 0 < head.intercept[2]


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_start_is_known_without_a_pass_over_the_rows(fit_intercept):
    X, Y = data(16)
    rng = np.random.default_rng(16)
    factors = rng.uniform(0.5, 2, (K, 2))
    Y[:, 0], factors[0] = False, (0.0, 1.0)  # no weight at all
    of = problem(X, Y, rng.random(N), factors, fit_intercept=fit_intercept)
    labels = np.arange(K)
    known = label_block.LabelBlock(of, labels, None).state
    intercept = of.start_of_intercepts()
    passed = label_block.LabelBlock(of, labels, (np.zeros((K, D)), intercept)).state
    for name, value in known._asdict().items():
        np.testing.assert_allclose(value, getattr(passed, name), rtol=1e-11, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("share", [0.001, 0.5])
@pytest.mark.parametrize("features", [DenseFeatures, SparseFeatures])
def test_the_sums_of_a_label_are_those_of_its_rows(features, share, monkeypatch):
    monkeypatch.setattr(local_labels, "_DENSE_ENTRIES", 3 * N)  # 3 labels at a time
    rng = np.random.default_rng(17)
    X, Y, weight = rng.standard_normal((N, D)), rng.random((N, K)) < share, rng.random(N)
    of = problem(sp.csr_array(X) if features is SparseFeatures else X, Y, weight, fit_intercept=False)
    np.testing.assert_allclose(of.sums_of_yes, (Y * weight[:, None] / weight.sum()).T @ X, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("labels", [1, 15, 16, 28, 100, 1000, 10_000])
def test_blocks_hold_each_label_once_and_end_small(labels):
    of = problem(np.ones((2, 1)), np.tile([[True], [False]], labels))
    sizes = [len(block) for block in sigmoid_regression.blocks_of(of)]
    assert np.concatenate(sigmoid_regression.blocks_of(of)).tolist() == list(range(labels))
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) <= 256
    assert sizes[-1] <= max(16, labels // 10)
