"""Rows in parts answer as the same rows in one piece do, and a fit of theirs ends at the same head."""

from functools import reduce

import numpy as np
import pytest

from lastlayer.linear import DenseFeatures
from lastlayer.solvers import LocalRows, SoftmaxRegression, kept_rows, logit_line, minimise
from lastlayer.solvers.logit_line import LogitLine
from lastlayer.solvers.parted_rows import PartedRows, PartOfRows


class InThisProcess:
    """Parts that are asked one after the other."""

    def __init__(self, parts):
        self._parts = parts

    def ask(self, question, *arguments):
        return [getattr(part, question)(*arguments) for part in self._parts]

    def ask_each(self, question, arguments):
        return [getattr(part, question)(*own) for part, own in zip(self._parts, arguments, strict=True)]

    def sum(self, question, *arguments):
        answers = self.ask(question, *arguments)
        wide = [[np.asarray(one, np.float64) for one in answer] for answer in answers]
        return tuple(reduce(np.add, pieces) for pieces in zip(*wide, strict=True))


def rows(dtype=np.float64, num_rows=300, num_classes=4):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((num_rows, 6)).astype(dtype)
    labels = (features @ rng.standard_normal((6, num_classes)) + rng.gumbel(size=(num_rows, num_classes))).argmax(
        axis=1
    )
    return features, np.sort(labels), rng.integers(0, 4, num_rows).astype(float)


def whole_and_parts(edges, **options):
    features, labels, weight = rows(**options)
    whole = LocalRows(DenseFeatures(features), labels, weight, 4)
    parts = [
        PartOfRows(LocalRows(DenseFeatures(features[a:b]), labels[a:b], weight[a:b], 4, total=weight.sum()))
        for a, b in zip([0, *edges], [*edges, len(labels)], strict=True)
    ]
    return whole, PartedRows(InThisProcess(parts))


def fit(rows, **options):
    problem = SoftmaxRegression(rows, 1e-3, fit_intercept=True, generator=np.random.RandomState(0))
    return minimise(problem, max_iter=500, **options)


# Labels are sorted, so that parts lack classes; the third cut leaves a part of one row.
@pytest.mark.parametrize("edges", [[150], [10, 11, 250]])
def test_sums_and_chosen_rows_are_those_of_all_rows(edges):
    whole, parted = whole_and_parts(edges)
    assert (parted.shape, parted.dtype, parted.lightest) == (whole.shape, whole.dtype, whole.lightest)
    np.testing.assert_allclose(parted.shares, whole.shares, rtol=1e-14)
    np.testing.assert_allclose(parted.class_sums(), whole.class_sums(), rtol=1e-12, atol=1e-15)
    chosen = np.array([0, 9, 10, 11, 149, 150, 299])
    one, other = whole.take(chosen), parted.take(chosen)
    np.testing.assert_array_equal(one.features.take(slice(None)), other.features.take(slice(None)))
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.row_weight, other.row_weight)
    assert (one.row_weight > 0).all()


@pytest.mark.parametrize("edges", [[150], [10, 11, 250]])
@pytest.mark.parametrize("kept", [True, False])
def test_lines_answer_alike(monkeypatch, edges, kept):
    if not kept:
        monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    whole, parted = whole_and_parts(edges)
    rng = np.random.default_rng(1)
    lines, head, direction = [whole.line(), parted.line()], rng.standard_normal((4, 6)), rng.standard_normal((4, 6))
    offsets, factors = rng.standard_normal((3, 4)), rng.random(4)

    def answers(line):
        line.set_head(head, offsets[0])
        line.set_direction(direction, offsets[1])
        found = [line.evaluate(0.3), line.step(0.7), line.add_offset(offsets[2])]
        uncertain = line.uncertainty(factors, 1, 20)
        order = np.argsort(uncertain.rows)
        return [*found, (uncertain.total, np.sort(uncertain.sample), uncertain.rows[order], uncertain.scores[order])]

    assert [line.keeps_logits for line in lines] == [kept, kept]
    for one, other in zip(*map(answers, lines), strict=True):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=1e-14)


class Rounded(LogitLine):
    """Steps that are off by a thousandth, for processors that have none of their own."""

    def step(self, t):
        slope = super().step(t)
        return slope._replace(gradient=slope.gradient * slope.gradient.dtype.type(1.001))


@pytest.mark.parametrize("edges", [[150], [10, 11, 250]])
def test_steps_of_parts_are_rounded_until_an_exact_head_is_set(monkeypatch, edges):
    means = []

    def coarse_steps(rows, mean):
        means.append(mean)
        return Rounded(rows.features, rows.labels, rows.row_weight, rows.num_classes)

    whole, parted = whole_and_parts(edges)
    assert whole.coarse_steps(np.zeros(6)) is parted.coarse_steps(np.zeros(6)) is None  # they are float64
    monkeypatch.setattr(LocalRows, "coarse_steps", coarse_steps)
    whole, parted = whole_and_parts(edges)
    means.clear()
    mean, rng = np.arange(6.0), np.random.default_rng(1)
    head, direction = rng.standard_normal((4, 6)), rng.standard_normal((4, 6))
    exact, rounded = whole.line(), parted.coarse_steps(mean)
    assert rounded is not None
    for line, share in ((rounded, 1.001), (parted.line(), 1.0)):
        for each in (line, exact):
            each.set_head(head, np.ones(4))
            each.set_direction(direction, np.zeros(4))
        mine, theirs = line.step(0.7), exact.step(0.7)
        assert mine.loss == pytest.approx(theirs.loss, rel=1e-12)
        np.testing.assert_allclose(mine.gradient, share * theirs.gradient, rtol=1e-10, atol=1e-14)
        # In the order of a trial: the direction stays.
        for each in (line, exact):
            each.set_direction(direction[::-1], np.ones(4))
            each.set_head(head + 1, np.zeros(4))
        mine, theirs = line.step(0.3), exact.step(0.3)
        np.testing.assert_allclose(mine.gradient, share * theirs.gradient, rtol=1e-10, atol=1e-14)
    assert len(means) == len(edges) + 1
    assert all(one is mean for one in means)


@pytest.mark.parametrize(("dtype", "accuracy"), [(np.float64, 1e-9), (np.float32, 1e-5)])
def test_a_fit_ends_at_the_same_head_with_the_same_certificate(monkeypatch, dtype, accuracy):
    monkeypatch.setattr(kept_rows, "_FEWEST_ROWS", 60)
    monkeypatch.setattr(kept_rows, "_ROWS_PER_FEATURE", 0)
    heads = [fit(rows, tol=1e-8) for rows in whole_and_parts([10, 11, 250], dtype=dtype)]
    (weight, intercept, optimum), (of_parts, other_intercept, other) = heads
    assert of_parts.dtype == weight.dtype == dtype
    np.testing.assert_allclose(of_parts, weight, atol=accuracy * np.abs(weight).max())
    np.testing.assert_allclose(other_intercept, intercept, atol=accuracy * np.abs(intercept).max())
    assert other.objective == pytest.approx(optimum.objective, rel=accuracy)
    assert other.gap <= 10 * optimum.gap + 1e-14


def test_a_search_goes_on_from_the_state_that_was_kept():
    states = []
    whole, _ = whole_and_parts([150])
    weight, intercept, optimum = fit(whole, tol=1e-9, keep=states.append)
    assert [state.iterations for state in states] == list(range(1, optimum.iterations + 1))
    state = states[len(states) // 2]
    again, other_intercept, other = fit(whole, tol=1e-9, start=state)
    assert state.iterations < other.iterations <= optimum.iterations + 1
    np.testing.assert_allclose(again, weight, atol=1e-6 * np.abs(weight).max())
    np.testing.assert_allclose(other_intercept, intercept, atol=1e-6 * np.abs(intercept).max())
