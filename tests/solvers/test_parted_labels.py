"""Rows of many labels in parts answer as the same rows in one piece do, and a fit of theirs ends at the same heads."""

import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer.linear import DenseFeatures
from lastlayer.solvers import LocalLabels, SigmoidRegression, label_line, local_labels, minimise_labels
from lastlayer.solvers.parted_labels import PartedLabels, PartOfLabels
from tests.solvers.test_parted_rows import InThisProcess


def data(dtype=np.float64):
    """Features, answers, sorted by the first label so that parts lack it, and weights of which some are 0."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 6)).astype(dtype) + dtype(1)
    Y = X @ rng.standard_normal((6, 9)) + rng.logistic(size=(300, 9)) - 1 > np.arange(9) / 3
    order = np.argsort(Y[:, 0], kind="stable")
    Y[:, 4] = False  # a label that no row has
    return X[order], Y[order], rng.integers(0, 4, 300).astype(float)


def whole_and_parts(edges, dtype=np.float64):
    X, Y, weight = data(dtype)
    whole = LocalLabels(DenseFeatures(X), sp.csc_array(Y), weight)
    pieces = [slice(a, b) for a, b in zip([0, *edges], [*edges, 300], strict=True)]
    parts = [
        PartOfLabels(LocalLabels(DenseFeatures(X[rows]), sp.csc_array(Y[rows]), weight[rows], total=weight.sum()))
        for rows in pieces
    ]
    return whole, PartedLabels(InThisProcess(parts))


def fit(rows, **options):
    factors = np.random.default_rng(2).uniform(0.5, 2, (9, 2))
    problem = SigmoidRegression(rows, factors, 3.0, fit_intercept=True, generator=np.random.RandomState(0))
    return minimise_labels(problem, max_iter=500, **options)


@pytest.mark.parametrize("edges", [[150], [10, 11, 250]])
def test_sums_are_those_of_all_rows(edges):
    whole, parted = whole_and_parts(edges)
    for name in ("shape", "dtype", "num_labels", "weighing", "lightest", "total"):
        assert getattr(parted, name) == getattr(whole, name), name
    np.testing.assert_array_equal(parted.counts, whole.counts)
    np.testing.assert_allclose(parted.shares, whole.shares, rtol=1e-14)
    np.testing.assert_allclose(parted.feature_sum(), whole.feature_sum(), rtol=1e-13)
    np.testing.assert_allclose(parted.label_sums(), whole.label_sums(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("edges", [[150], [10, 11, 250]])
def test_lines_answer_alike(edges):
    whole, parted = whole_and_parts(edges)
    rng, labels = np.random.default_rng(1), np.array([0, 2, 3, 7])
    factors, weight, other = rng.random((4, 2)), rng.standard_normal((4, 6)), rng.standard_normal((4, 6))
    offset, steps, kept = rng.standard_normal(4), rng.random(4), np.array([True, False, True, True])
    answers = []
    for line in (whole.line(labels, factors), parted.line(labels, factors)):
        line.set_heads(weight, offset)
        found = [line.step(np.zeros(4))]
        line.set_directions(other, offset)
        found += [(line.evaluate(np.array([2, 0]), steps[:2]),), line.step(steps)]
        line.keep(kept)
        line.set_directions(other[kept], offset[kept])
        found += [line.step(steps[kept])]
        line.set_offsets(offset[kept])
        line.set_directions(other[kept], offset[kept])
        answers.append([*found, line.step(steps[kept])])
    for one, two in zip(*answers, strict=True):
        for left, right in zip(one, two, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("most", [256, 3])
@pytest.mark.parametrize("edges", [[150], [10, 11, 250]])
def test_a_fit_ends_at_the_same_heads(monkeypatch, edges, most):
    monkeypatch.setattr(local_labels, "_MOST_LABELS", most)
    whole, parted = whole_and_parts(edges)
    one, two = fit(whole, tol=1e-9), fit(parted, tol=1e-9)
    scale = np.abs(one.weight).max()
    np.testing.assert_allclose(two.weight, one.weight, rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(two.intercept, one.intercept, rtol=0, atol=1e-9 * scale)
    assert [optimum.stopped for optimum in two.optima] == [optimum.stopped for optimum in one.optima]
    assert two.optima[4].stopped == "constant"


def test_a_fit_in_float32_ends_as_near():
    whole, parted = whole_and_parts([70, 200], np.float32)
    one, two = fit(whole, tol=1e-5), fit(parted, tol=1e-5)
    assert two.weight.dtype == np.float32
    np.testing.assert_allclose(two.weight, one.weight, rtol=0, atol=1e-4 * np.abs(one.weight).max())


def test_runs_of_rows_are_added_up(monkeypatch):
    answers = []
    for rows_of_a_run in (1 << 15, 37):
        monkeypatch.setattr(label_line, "_RUN", rows_of_a_run)
        answers.append(fit(whole_and_parts([150])[0], tol=1e-9))
    one, two = answers
    np.testing.assert_allclose(two.weight, one.weight, rtol=0, atol=1e-9 * np.abs(one.weight).max())
    np.testing.assert_allclose(two.intercept, one.intercept, rtol=0, atol=1e-9 * np.abs(one.weight).max())


def test_runs_have_the_same_bits_on_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(label_line, "_RUN", 37)
    heads = []
    for threads in ("1", "3"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        heads.append(fit(whole_and_parts([150])[0], tol=1e-6))
    np.testing.assert_array_equal(heads[0].weight, heads[1].weight)
