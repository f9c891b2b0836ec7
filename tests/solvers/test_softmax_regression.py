"""The solver reaches the optimum of the definition, and its certificate tells the truth on the way."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lastlayer.linear import DenseFeatures, SparseFeatures, logit_blocks
from lastlayer.solvers import LocalRows, SearchState, SoftmaxRegression, logit_line, minimise
from tests.oracles import softmax_regression as oracle


def data(seed, rows=80, columns=5, classes=3, dtype=np.float64):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, columns)) * rng.uniform(0.1, 3, columns) + rng.standard_normal(columns)
    scores = features @ rng.standard_normal((columns, classes)) + rng.gumbel(size=(rows, classes))
    return features.astype(dtype), scores.argmax(axis=1)


def problem(features, labels, sample_weight=None, classes=3, C=1.0, fit_intercept=True):
    matrix = SparseFeatures(features) if sp.issparse(features) else DenseFeatures(features)
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    return SoftmaxRegression(
        LocalRows(matrix, labels, weight, classes),
        1 / (C * weight.sum()),
        fit_intercept=fit_intercept,
        generator=np.random.RandomState(0),
    )


@pytest.fixture(params=["logits kept", "logits computed anew"])
def logits_of_all_rows(request, monkeypatch):
    if request.param == "logits computed anew":
        monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0, 1e4])
def test_reaches_the_optimum_of_the_definition(logits_of_all_rows, C, fit_intercept):
    features, labels = data(1)
    sample_weight = np.random.default_rng(2).uniform(0.1, 2, len(labels))
    best = oracle.optimum(features, labels, sample_weight, 3, C, fit_intercept)
    weight, intercept, optimum = minimise(
        problem(features, labels, sample_weight, C=C, fit_intercept=fit_intercept), tol=1e-9, max_iter=500
    )
    least = oracle.objective(features, labels, sample_weight, *best, C)
    reached = oracle.objective(features, labels, sample_weight, weight, intercept, C)
    assert optimum.stopped == "converged"
    assert reached == pytest.approx(optimum.objective, rel=1e-12)
    assert least - 1e-13 <= reached <= least * (1 + 1e-8)
    np.testing.assert_allclose(weight, best[0], atol=1e-3 * np.abs(best[0]).max())
    np.testing.assert_allclose(intercept - intercept.mean(), best[1], atol=2e-3 * (1 + np.abs(best[1]).max()))


@pytest.mark.parametrize("fit_intercept", [True, False])
@given(seed=st.integers(0, 10_000), C=st.floats(1e-3, 1e3), iterations=st.integers(1, 30))
@example(seed=2838, C=32.0, iterations=18)
@settings(max_examples=25)
def test_the_gap_bounds_the_distance_to_the_optimum(fit_intercept, seed, C, iterations):
    features, labels = data(seed, rows=30, columns=3)
    ones = np.ones(len(labels))
    least = oracle.objective(features, labels, ones, *oracle.optimum(features, labels, ones, 3, C, fit_intercept), C)
    _, _, optimum = minimise(
        problem(features, labels, C=C, fit_intercept=fit_intercept), tol=1e-12, max_iter=iterations
    )
    assert optimum.objective - least <= optimum.gap + 1e-12
    assert optimum.gap <= optimum.objective + 1e-12


def test_the_gap_closes():
    features, labels = data(3)
    _, _, optimum = minimise(problem(features, labels), tol=1e-10, max_iter=500)
    assert optimum.gap < 1e-9 * optimum.objective


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_order_and_sparsity_change_nothing_but_rounding(dtype):
    features, labels = data(4, rows=200, dtype=dtype)
    features[np.abs(features) < 0.5] = 0
    forms = [
        features,
        np.asfortranarray(features),
        np.repeat(features, 2, axis=0)[::2],
        features[:, ::-1].copy()[:, ::-1],
        sp.csr_array(features),
    ]
    objectives = [minimise(problem(form, labels), tol=1e-5, max_iter=500)[2].objective for form in forms]
    np.testing.assert_allclose(objectives, objectives[0], rtol=1e-6)


def test_sparse_logits_computed_anew_take_the_same_path_but_for_the_steps(monkeypatch):
    features, labels = data(5, rows=3000)
    features[np.abs(features) < 0.5] = 0
    kept = minimise(problem(features, labels), tol=1e-6, max_iter=100)
    monkeypatch.setattr(logit_blocks, "_MOST_ROWS", 300)
    monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    for form in (features, sp.csr_array(features)):
        anew = minimise(problem(form, labels), tol=1e-6, max_iter=100)
        assert anew[2].stopped == "converged"
        assert anew[2].iterations <= 2 * kept[2].iterations
        np.testing.assert_allclose(anew[2].objective, kept[2].objective, rtol=1e-8)
        assert anew[2].gap <= 1e-6 * anew[2].objective


@pytest.mark.parametrize("factor", [30.0, -3.0])
def test_a_start_from_which_a_step_of_1_is_no_good_is_left(logits_of_all_rows, factor):
    features, labels = data(12, rows=300)
    best = minimise(problem(features, labels), tol=1e-9, max_iter=500)
    start = factor * best[0], -best[1]
    again = minimise(problem(features, labels), tol=1e-9, max_iter=500, start=SearchState(*start))
    np.testing.assert_allclose(again[2].objective, best[2].objective, rtol=1e-9)


def test_an_interrupt_of_a_fit_without_kept_logits_leaves_the_best_head(monkeypatch):
    features, labels = data(13, rows=300)
    monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    seen = []

    def report(optimum):
        seen.append(optimum.objective)
        if len(seen) == 3:
            raise KeyboardInterrupt

    weight, intercept, optimum = minimise(problem(features, labels), tol=1e-9, max_iter=500, report=report)
    assert optimum.stopped == "interrupted"
    ones = np.ones(len(labels))
    assert oracle.objective(features, labels, ones, weight, intercept, 1.0) == pytest.approx(seen[-1], rel=1e-12)


def test_wide_features_with_fewer_rows_than_features():
    features, labels = data(6, rows=30, columns=60)
    best = oracle.optimum(features, labels, np.ones(30), 3, 1.0)
    _, _, optimum = minimise(problem(features, labels), tol=1e-8, max_iter=500)
    assert optimum.objective <= oracle.objective(features, labels, np.ones(30), *best, 1.0) * (1 + 1e-8)


def test_features_past_the_full_eigenbasis():
    features, labels = data(7, rows=1500, columns=1100, dtype=np.float32)
    _, _, optimum = minimise(problem(features, labels, C=0.01), tol=1e-4, max_iter=500)
    assert optimum.stopped == "converged"
    assert optimum.gap < 1e-3 * optimum.objective


def test_trap_30_a_row_of_weight_zero_is_as_good_as_absent():
    features, labels = data(8)
    kept = np.random.default_rng(9).random(len(labels)) < 0.7
    weighted = minimise(problem(features, labels, kept.astype(float)), tol=1e-8, max_iter=500)
    absent = minimise(problem(features[kept], labels[kept]), tol=1e-8, max_iter=500)
    assert weighted[2].objective == pytest.approx(absent[2].objective, rel=1e-9)


def test_a_class_whose_rows_all_weigh_nothing_stays_finite():
    features, labels = data(10)
    weight, intercept, optimum = minimise(problem(features, labels, (labels != 2).astype(float)), tol=1e-6, max_iter=99)
    assert np.isfinite(weight).all()
    assert np.isfinite(intercept).all()
    assert np.isfinite(optimum.gap)


def test_a_start_at_the_optimum_stays_there():
    features, labels = data(11)
    weight, intercept, first = minimise(problem(features, labels), tol=1e-8, max_iter=500)
    _, _, second = minimise(problem(features, labels), tol=1e-6, max_iter=500, start=SearchState(weight, intercept))
    assert second.iterations == 0
    assert second.stopped == "converged"
    assert second.objective == pytest.approx(first.objective, rel=1e-12)


def test_an_interrupt_keeps_the_best_head_so_far():
    features, labels = data(12)
    seen = []

    def report(optimum):
        seen.append(optimum.objective)
        if len(seen) == 4:
            raise KeyboardInterrupt

    weight, intercept, optimum = minimise(problem(features, labels, C=100.0), tol=1e-8, max_iter=500, report=report)
    assert optimum.stopped == "interrupted"
    assert optimum.iterations == 3
    reached = oracle.objective(features, labels, np.ones(len(labels)), weight, intercept, 100.0)
    assert reached == pytest.approx(seen[-1], rel=1e-12)


def test_a_large_common_mean_costs_no_iterations():
    features, labels = data(13, rows=300)
    near = minimise(problem(features, labels), tol=1e-4, max_iter=500)[2]
    far = minimise(problem(features + 1e3, labels), tol=1e-4, max_iter=500)[2]
    assert far.iterations == near.iterations
    assert far.stopped == "converged"
    assert far.objective == pytest.approx(near.objective, rel=1e-9)


def test_separable_rows_under_next_to_no_penalty_end_without_overflow():
    features = np.repeat(np.eye(3), 5, axis=0).astype(np.float32)
    weight, _, optimum = minimise(problem(features, np.repeat(np.arange(3), 5), C=1e12), tol=1e-4, max_iter=300)
    assert np.isfinite(weight).all()
    assert 0 <= optimum.objective < 1e-6


def unpenalised(features, labels, classes, fit_intercept=True):
    return problem(features, labels, classes=classes, C=np.inf, fit_intercept=fit_intercept)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_without_a_penalty_it_reaches_the_maximum_likelihood(fit_intercept):
    features, labels = data(14, rows=300)
    _, _, optimum = minimise(unpenalised(features, labels, 3, fit_intercept), tol=1e-9, max_iter=500)
    best = oracle.optimum(features, labels, np.ones(300), 3, np.inf, fit_intercept)
    least = oracle.objective(features, labels, np.ones(300), *best, np.inf)
    assert optimum.stopped == "converged"
    assert optimum.objective == pytest.approx(least, rel=1e-8)
    assert optimum.gap == np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_a_penalty_directions_without_variance_do_no_harm(dtype):
    features, labels = data(15, rows=300)
    once = minimise(unpenalised(features.astype(dtype), labels, 3), tol=1e-5, max_iter=500)[2]
    twice = np.hstack([features, features, np.zeros((300, 1))]).astype(dtype)
    weight, _, optimum = minimise(unpenalised(twice, labels, 3), tol=1e-5, max_iter=500)
    assert np.isfinite(weight).all()
    assert optimum.objective == pytest.approx(once.objective, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [2, 60])
def test_without_a_penalty_separable_rows_end_with_a_true_bound(columns, dtype):
    features = np.random.default_rng(16).standard_normal((30, columns)).astype(dtype)
    labels = (features[:, 0] > 0).astype(np.int64)
    weight, intercept, optimum = minimise(unpenalised(features, labels, 2), tol=1e-4, max_iter=500)
    assert optimum.stopped == "separable"
    assert np.isfinite(weight).all()
    assert optimum.gap == optimum.objective
    assert ((features @ weight.T + intercept).argmax(axis=1) == labels).all()


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize(("dtype", "scale"), [(np.float64, 1e155), (np.float32, 1e20)])
def test_trap_36_squares_that_overflow_are_refused_by_name(dtype, scale, form):
    features, labels = data(17)
    features[:, 2] *= scale
    with pytest.raises(ValueError, match=f"column 2 has values whose squares are beyond {np.dtype(dtype)}"):
        problem(form(features.astype(dtype)), labels)


def test_a_column_that_drowns_the_others_is_not_called_converged():
    features, labels = data(18)
    features[:, 2] *= 1e150
    with np.errstate(all="ignore"):
        _, _, optimum = minimise(problem(features, labels), tol=1e-4, max_iter=500)
    assert optimum.stopped != "converged"
    assert optimum.gap >= 0.1
