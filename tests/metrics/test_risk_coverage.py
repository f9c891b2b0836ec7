from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from lastlayer.metrics.risk_coverage import area_under_risk
from tests.oracles import selective
from tests.shared_data import data_file


def rows_of(confidence, right):
    """Two classes: probabilities and labels of rows of these confidences, right or not."""
    confidence = np.asarray(confidence, np.float64)
    return np.c_[confidence, 1 - confidence], np.where(right, 0, 1)


@settings(max_examples=30)
@given(st.data())
def test_every_figure_is_its_definition(data):
    # Sixty-fourths from 1/2 to 1 are cells of their own, ties among them are exact.
    n = data.draw(st.integers(1, 14))
    confidence = [data.draw(st.integers(33, 64)) / 64 for _ in range(n)]
    right = [data.draw(st.booleans()) for _ in range(n)]
    weights = [data.draw(st.sampled_from([1, 2, 0.5])) for _ in range(n)]
    result = ll.evaluate(*rows_of(confidence, right), sample_weight=weights)
    rows = confidence, right, weights
    assert result.aurc == pytest.approx(selective.area_under_risk(*rows), rel=1e-12)
    curve = result.risk_coverage
    assert len(curve.threshold) == len(set(confidence))
    assert (np.diff(curve.threshold) < 0).all()
    for threshold, coverage, accuracy in zip(curve.threshold, curve.coverage, curve.accuracy, strict=True):
        expected = selective.coverage_and_accuracy(*rows, threshold)
        assert (coverage, accuracy) == pytest.approx(expected, rel=1e-12)
    assert (curve.coverage[-1], curve.accuracy[-1]) == pytest.approx((1.0, result.accuracy))
    for k, target in enumerate((Fraction(95, 100), Fraction(97, 100), Fraction(99, 100))):
        expected = selective.largest_coverage(*rows, target)
        assert curve.target_coverage[k] == pytest.approx(expected)
        if expected:
            found = selective.coverage_and_accuracy(*rows, curve.target_threshold[k])
            assert found[0] == pytest.approx(expected)
        else:
            assert np.isnan(curve.target_threshold[k])


def test_literal_figures():
    # Right, wrong, right from the surest down: risks 0, 1/2, 1/3.
    result = ll.evaluate(*rows_of([0.9, 0.8, 0.7], [True, False, True]))
    assert result.aurc == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    np.testing.assert_allclose(result.risk_coverage.coverage, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(result.risk_coverage.accuracy, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(result.risk_coverage.target_coverage, [1 / 3] * 3)
    assert area_under_risk(np.array([1.0, 1.0]), np.array([1.0, 0.0])) == 0.75


def test_the_curve_has_at_most_200_points_about_evenly_spaced():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 5000)
    curve = ll.evaluate(*rows_of(confidence, rng.random(5000) < confidence)).risk_coverage
    assert len(curve.threshold) == 200
    assert np.diff(curve.coverage, prepend=0).max() < 0.01
    for threshold, coverage in zip(curve.threshold, curve.coverage, strict=True):
        assert (confidence >= threshold).mean() == pytest.approx(coverage, rel=1e-12)
    sure = ll.evaluate(*rows_of([1.0] * 7, [True] * 7))
    assert (sure.risk_coverage.threshold.tolist(), sure.aurc) == ([1.0], 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cells_move_the_figures_by_no_more_than_is_said(dtype):
    with np.load(data_file("wideresnet-cifar100.npz")) as arrays:
        p, labels = arrays["predictions"].astype(dtype), arrays["ground_truth"].ravel()
    result = ll.evaluate(p, labels)
    right = p.argmax(axis=1) == labels
    order = np.argsort(-p.max(axis=1), kind="stable")
    expected = (np.cumsum(~right[order]) / np.arange(1, len(order) + 1)).mean()
    assert result.aurc == pytest.approx(expected, abs=2e-5)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), cut=st.integers(0, 40))
def test_blocks_are_the_whole(seed, cut):
    rng = np.random.default_rng(seed)
    p, labels = rng.dirichlet(np.full(4, 0.3), 40), rng.integers(-1, 4, 40)
    labels[0] = 2
    whole = ll.evaluate(p, labels, unknown_label=-1)
    accumulator = ll.EvaluationAccumulator(unknown_label=-1)
    for rows in (slice(0, cut), slice(cut, 40)):
        accumulator.add(p[rows], labels[rows])
    found = accumulator.result()
    assert found.aurc == whole.aurc
    assert found.unknown_auroc == pytest.approx(whole.unknown_auroc, nan_ok=True)
    assert found.to_dict()["risk_coverage"] == whole.to_dict()["risk_coverage"]
    assert found.unknown_rows == (labels == -1).sum()
    back = ll.Evaluation.from_json(whole.to_json())
    assert back == whole


def test_intervals_hold_the_figures_and_narrow_with_rows():
    widths = []
    for n in (500, 8000):
        rng = np.random.default_rng(n)
        confidence = rng.uniform(0.5, 1, n)
        result = ll.evaluate(*rows_of(confidence, rng.random(n) < confidence), intervals=0.95)
        low, high = result.aurc_interval
        assert low < result.aurc < high
        widths.append(high - low)
        low, high = result.accuracy_interval
        half = 1.959964 * np.sqrt(result.accuracy * (1 - result.accuracy) / n)
        assert (low, high) == pytest.approx((result.accuracy - half, result.accuracy + half), abs=0.2 * half)
    assert 3 < widths[0] / widths[1] < 5.5
