"""The bound on F - F* is never below the truth, and at most ten times the truth where a fit has converged."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lastlayer._memory import memory_allowance
from lastlayer.kernels.bfloat16 import has_tiles
from lastlayer.linear import DenseFeatures, SparseFeatures, bfloat16_products
from lastlayer.solvers import LocalRows, SoftmaxRegression, kept_rows, logit_line, minimise, minorant
from lastlayer.solvers.softmax_search import SoftmaxSearch
from tests.oracles import softmax_regression as oracle

with_tiles = pytest.mark.skipif(not has_tiles(), reason="this processor multiplies no tiles of bfloat16")


def data(seed, rows, columns, classes, signal=1.0):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, columns))
    scores = signal * features @ rng.standard_normal((columns, classes)) + rng.gumbel(size=(rows, classes))
    return features, scores.argmax(axis=1)


def problem(features, labels, sample_weight, classes, C, fit_intercept=True):
    matrix = SparseFeatures(features) if sp.issparse(features) else DenseFeatures(features)
    penalty = 1 / (C * sample_weight.sum())
    generator = np.random.RandomState(0)
    return SoftmaxRegression(
        LocalRows(matrix, labels, sample_weight, classes), penalty, fit_intercept=fit_intercept, generator=generator
    )


def above_optimum(features, labels, sample_weight, classes, C, fit_intercept, head):
    """F - F* by the oracle, in float64."""
    features = np.asarray(features.toarray() if sp.issparse(features) else features, np.float64)
    best = oracle.optimum(features, labels, sample_weight, classes, C, fit_intercept)
    return oracle.objective(features, labels, sample_weight, *head, C) - oracle.objective(
        features, labels, sample_weight, *best, C
    )


@given(
    seed=st.integers(0, 10_000),
    C=st.floats(-4, 5).map(lambda exponent: 10.0**exponent),
    fit_intercept=st.booleans(),
    weighted=st.booleans(),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    signal=st.sampled_from([0.3, 1.0, 10.0]),
    iterations=st.sampled_from([1, 3, 10, 500]),
    dtype=st.sampled_from([np.float32, np.float64]),
    kept=st.sampled_from([1, 12, 40]),
)
@example(152, 100.0, True, True, 1e-3, 10.0, 1, np.float32, 1)  # the kept row is sure of its class: the bound was -32
@settings(max_examples=60)
def test_the_bound_is_never_below_the_truth(seed, C, fit_intercept, weighted, scale, signal, iterations, dtype, kept):
    features, labels = data(seed, 40, 3, 3, signal)
    features[:, 0] *= scale
    features = features.astype(dtype)
    sample_weight = np.random.default_rng(seed).integers(0, 3, 40).astype(float) if weighted else np.ones(40)
    sample_weight[0] += not sample_weight.any()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_rows, "_FEWEST_ROWS", kept)
        patch.setattr(kept_rows, "_ROWS_PER_FEATURE", 0)
        weight, intercept, optimum = minimise(
            problem(features, labels, sample_weight, 3, C, fit_intercept), tol=1e-6, max_iter=iterations
        )
    truth = above_optimum(features, labels, sample_weight, 3, C, fit_intercept, (weight, intercept))
    rounding = np.finfo(dtype).eps * max(1.0, optimum.objective)
    assert optimum.gap >= truth - 4 * rounding


@pytest.mark.parametrize(
    ("C", "dtype"),
    [(0.01, np.float64), (1.0, np.float32), pytest.param(1000.0, np.float64, marks=pytest.mark.thorough)],
)
@pytest.mark.parametrize("scales", [[1.0], [1e3], [1e5], [1e-3], [1e3, 1e4, 1e5], [1e5, 1e-3]])
def test_the_bound_is_within_ten_times_the_truth_whatever_the_columns_scales(scales, C, dtype):
    features, labels = data(1, 1000, 6, 3)
    features[:, : len(scales)] *= scales
    features, ones = features.astype(dtype), np.ones(1000)
    weight, intercept, optimum = minimise(problem(features, labels, ones, 3, C), tol=1e-4, max_iter=500)
    truth = above_optimum(features, labels, ones, 3, C, True, (weight, intercept))
    rounding = np.finfo(dtype).eps * optimum.objective
    assert truth - rounding <= optimum.gap <= 10 * truth + 10 * rounding
    assert "loose" not in optimum.certificate()


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_some_of_many_rows_are_enough(monkeypatch, kind, fit_intercept):
    monkeypatch.setattr(kept_rows, "_FEWEST_ROWS", 1000)
    features, labels = data(2, 3000, 8, 4)
    features[np.abs(features) < 0.5] = 0
    ones = np.ones(3000)
    form = sp.csr_array(features) if kind == "csr" else features
    weight, intercept, optimum = minimise(problem(form, labels, ones, 4, 10.0, fit_intercept), tol=1e-4, max_iter=500)
    truth = above_optimum(features, labels, ones, 4, 10.0, fit_intercept, (weight, intercept))
    assert truth <= optimum.gap <= 10 * truth
    assert truth / 4 <= optimum.expected <= 4 * truth


def test_the_rows_with_most_curvature_are_kept_and_no_more_than_memory_allows(monkeypatch):
    features, labels = data(3, 4000, 4, 3)
    chosen = []
    real = minorant._Minorant

    def minorant_of(problem, point, kept, dtype):
        chosen.append(kept)
        return real(problem, point, kept, dtype)

    monkeypatch.setattr(minorant, "_Minorant", minorant_of)
    minimise(problem(features, labels, np.ones(4000), 3, 1.0), tol=1e-4, max_iter=500)
    # Of a row 4 features, and of 3 classes logits, their change and probabilities, 8 bytes each.
    monkeypatch.setattr(kept_rows, "_MOST_BYTES", 104 * 700)
    minimise(problem(features, labels, np.ones(4000), 3, 1.0), tol=1e-4, max_iter=500)
    # Half of what large features take, if that is more, up to a limit.
    monkeypatch.setattr(kept_rows, "_MOST_BYTES", 104 * 100)
    minimise(problem(features, labels, np.ones(4000), 3, 1.0), tol=1e-4, max_iter=500)
    monkeypatch.setattr(kept_rows, "_LARGEST", 104 * 200)
    minimise(problem(features, labels, np.ones(4000), 3, 1.0), tol=1e-4, max_iter=500)
    assert all(set(kept.features.take(slice(None))[:, 0]) <= set(features[:, 0]) for kept in chosen)
    features = features.astype(np.float32)
    minimise(problem(features, labels, np.ones(4000), 3, 1.0), tol=1e-4, max_iter=500)
    monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    minimise(problem(features, labels, np.ones(4000), 3, 1.0), tol=1e-4, max_iter=500)
    monkeypatch.setattr(kept_rows, "_BYTES_ANYWAY", 1)
    with memory_allowance(104 * 100):
        minimise(problem(features, labels, np.ones(4000), 3, 1.0), tol=1e-4, max_iter=500)
    # Features and probabilities of 4 bytes: 4 * 4 + 20 * 3, and logits too, where those of all rows are not kept.
    few = 104 * 200
    counts = [1024, 700, 4000 * 16 // 104, 200, few // 76, few // 52, 104 * 50 // 52]
    assert [kept.shape[0] for kept in chosen] == counts


def test_a_short_large_fit_keeps_no_more_rows_than_are_affordable(monkeypatch):
    monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    monkeypatch.setattr(kept_rows, "_FEWEST_ROWS", 10)
    choose, counts = minorant.kept_rows, []

    def counted(*arguments):
        kept, share = choose(*arguments)
        counts.append(kept.shape[0])
        return kept, share

    monkeypatch.setattr(minorant, "kept_rows", counted)
    features, labels = data(6, 4000, 4, 3)
    for max_iter in (2, 4):
        minimise(problem(features, labels, np.ones(4000), 3, 100.0), tol=1e-9, max_iter=max_iter)
    # Three tenths of the iterations are 24 products with so many rows.
    assert counts == [100, 200]


@pytest.mark.parametrize("tiles", [False, pytest.param(True, marks=with_tiles)])
@pytest.mark.parametrize("fit_intercept", [True, pytest.param(False, marks=pytest.mark.thorough)])
@pytest.mark.parametrize(("seed", "C", "kept"), [(0, 1.0, 400), (1, 100.0, 1500), (2, 0.01, 3000)])
def test_of_a_large_fit_it_is_a_bound_too(monkeypatch, seed, C, kept, fit_intercept, tiles):
    monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    monkeypatch.setattr(kept_rows, "_FEWEST_ROWS", kept)
    monkeypatch.setattr(kept_rows, "_MOST_BYTES", 1 << 20)
    if not tiles:
        monkeypatch.setattr(bfloat16_products, "has_tiles", lambda: False)
    features, labels = data(seed, 3000, 8, 4)
    features, ones = features.astype(np.float32), np.ones(3000)
    weight, intercept, optimum = minimise(problem(features, labels, ones, 4, C, fit_intercept), tol=1e-4, max_iter=500)
    truth = above_optimum(features, labels, ones, 4, C, fit_intercept, (weight, intercept))
    rounding = np.finfo(np.float32).eps * max(1.0, optimum.objective)
    assert truth - rounding <= optimum.gap <= 10 * truth + 10 * rounding


@with_tiles
def test_rounded_products_with_the_hessian_are_right_to_about_three_digits():
    features, labels = data(5, 3000, 8, 4)
    rows = problem((features + 30).astype(np.float32), labels, np.ones(3000), 4, 1.0)
    search = SoftmaxSearch(rows, None)
    found = minorant._Minorant(rows, search.point, rows.rows.take(np.arange(0, 3000, 2)), np.dtype(np.float32))
    rng = np.random.default_rng(5)
    direction = rng.standard_normal((4, 8)).astype(np.float32), rng.standard_normal(4)
    for exact, rounded in zip(found._product(*direction), found._rounded_product(*direction), strict=True):
        np.testing.assert_allclose(rounded, exact, atol=3e-3 * np.abs(exact).max())
    assert found._in_bfloat16


def test_a_loose_bound_says_so():
    features, labels = data(4, 1000, 6, 3)
    _, _, optimum = minimise(problem(features, labels, np.ones(1000), 3, 1.0), tol=1e-4, max_iter=500)
    assert optimum.certificate() == f"at most {optimum.gap:.1e} above the optimum"
    loose = type(optimum)(**{**vars(optimum), "gap": 100 * optimum.expected})
    assert loose.certificate() == (
        f"at most {loose.gap:.1e} above the optimum (a loose bound, {optimum.expected:.1e} is expected)"
    )
    without = type(optimum)(**{**vars(optimum), "gap": np.inf})
    assert without.certificate() == "no bound on its distance from the optimum"
