import math

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.kernels.resamples import resampled_sums


def drawn(rng, rows, num_classes=4, sharpen=1.0):
    """Probabilities, and labels drawn from them; sharpened, they promise too much."""
    p = rng.dirichlet(np.full(num_classes, 0.5), rows)
    labels = np.minimum((rng.random((rows, 1)) > p.cumsum(axis=1)).sum(axis=1), num_classes - 1)
    p = p**sharpen
    return p / p.sum(axis=1, keepdims=True), labels


def test_counts_are_those_of_poisson_with_mean_1():
    rows = 20_000
    counts = np.empty(rows, np.int64)
    sums = np.empty((rows, 1))
    resampled_sums(np.uint64(12345), np.arange(rows + 1), np.ones((1, rows)), np.empty(7), sums)
    counts[:] = sums[:, 0]
    observed = np.bincount(counts, minlength=5)[:5] / rows
    expected = [math.exp(-1) / math.factorial(k) for k in range(5)]
    np.testing.assert_allclose(observed, expected, atol=4 * 0.5 / math.sqrt(rows))
    assert abs(np.corrcoef(counts[1:], counts[:-1])[0, 1]) < 4 / math.sqrt(rows)


def test_the_width_is_that_of_theory():
    rng = np.random.default_rng(0)
    p, labels = drawn(rng, 4000)
    evaluation = ll.evaluate(p, labels, intervals=0.95)
    low, high = evaluation.log_loss_interval
    losses = -np.log(p[np.arange(4000), labels])
    half = 1.959964 * losses.std() / math.sqrt(4000)
    assert low == pytest.approx(evaluation.log_loss - half, abs=0.2 * half)
    assert high == pytest.approx(evaluation.log_loss + half, abs=0.2 * half)
    assert low < evaluation.log_loss < high
    assert evaluation.interval_confidence == 0.95


def test_what_is_calibrated_may_be_0_and_what_is_not_may_not():
    rng = np.random.default_rng(1)
    honest, boastful = (ll.evaluate(*drawn(rng, 3000, sharpen=s), intervals=0.95) for s in (1.0, 2.5))
    assert honest.ece > 0.01
    assert honest.ece_interval[0] == 0.0
    assert honest.ece_interval[1] < 2 * honest.ece
    low, high = boastful.ece_interval
    assert 0.05 < low < boastful.ece < high


def test_the_same_seed_gives_the_same_interval_whatever_the_threads(monkeypatch):
    p, labels = drawn(np.random.default_rng(2), 500)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        found.append(ll.evaluate(p, labels, intervals=0.9))
    assert found[0] == found[1]
    other = ll.evaluate(p, labels, intervals=0.9, random_state=1)
    assert other.log_loss_interval != found[0].log_loss_interval
    assert other.log_loss_interval == pytest.approx(found[0].log_loss_interval, rel=0.03)
    generator = np.random.default_rng(1)
    assert ll.evaluate(p, labels, intervals=0.9, random_state=generator) == other


def test_a_row_of_weight_0_changes_nothing_and_weights_scale():
    p, labels = drawn(np.random.default_rng(3), 300)
    weight = np.random.default_rng(4).exponential(size=300)
    expected = ll.evaluate(p, labels, sample_weight=weight, intervals=0.9)
    scaled = ll.evaluate(p, labels, sample_weight=weight * 1e6, intervals=0.9)
    assert scaled.ece_interval == pytest.approx(expected.ece_interval, rel=1e-9)
    more = ll.evaluate(np.r_[p, p], np.r_[labels, labels], sample_weight=np.r_[weight, 0 * weight], intervals=0.9)
    assert more.ece_interval == expected.ece_interval


def test_a_label_of_probability_0_makes_only_resamples_with_it_infinite():
    p, labels = drawn(np.random.default_rng(5), 200)
    p[0], labels[0] = [1, 0, 0, 0], 1
    low, high = ll.evaluate(p, labels, intervals=0.95).log_loss_interval
    assert math.isfinite(low)
    assert high == math.inf
    p[:80], labels[:80] = [1, 0, 0, 0], 1
    assert ll.evaluate(p, labels, intervals=0.95).log_loss_interval == (math.inf, math.inf)


def test_one_row_is_no_reason_to_fail():
    evaluation = ll.evaluate([[0.7, 0.3]], [0], intervals=0.95)
    assert evaluation.log_loss_interval == pytest.approx((evaluation.log_loss,) * 2)


@pytest.mark.parametrize("intervals", [0, 1, 1.5, -0.1, math.nan])
def test_confidences_that_are_none(intervals):
    with pytest.raises(ValueError, match="intervals: received"):
        ll.evaluate([[0.7, 0.3]], [0], intervals=intervals)
