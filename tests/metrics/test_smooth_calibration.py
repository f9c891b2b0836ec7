import numpy as np
import pytest

import lastlayer as ll
from lastlayer.metrics.smooth_calibration import CELLS, add_differences, smooth_calibration_error
from tests.oracles.calibration import smooth_error


def of_rows(confidence, gap, weight):
    cells = np.zeros(CELLS)
    add_differences(cells, confidence, weight * gap)
    return smooth_calibration_error(cells, weight.sum())


@pytest.mark.parametrize("bias", [0.0, 0.2])
def test_it_is_its_definition(bias):
    rng = np.random.default_rng(1)
    confidence, weight = rng.beta(5, 2, 12), rng.exponential(size=12)
    gap = (rng.random(12) < confidence - bias) - confidence
    expected = smooth_error(confidence.tolist(), gap.tolist(), weight.tolist(), points=400)
    assert of_rows(confidence, gap, weight) == pytest.approx(expected, rel=1e-4)


def test_a_constant_gap_is_the_error_whatever_the_width():
    # Every width smooths a constant density of confidences to itself: 0.05 |1|, up to the grid.
    confidence = (np.arange(100_000) + 0.5) / 100_000
    assert of_rows(confidence, np.full(100_000, 0.05), np.ones(100_000)) == pytest.approx(0.05, rel=1e-6)


def test_it_does_not_jump_where_a_bin_would():
    """Two rows that disagree, on both sides of an edge of a bin or within one."""
    labels = [0, 1]
    apart, together = ([[0.8 + d, 0.2 - d], [0.8 - 1e-9, 0.2 + 1e-9]] for d in (1e-9, -1e-9))
    assert ll.evaluate(apart, labels, bins=15).ece > 0.49
    assert ll.evaluate(together, labels, bins=15).ece == pytest.approx(0.3, abs=1e-6)
    assert ll.evaluate(apart, labels).smooth_ece == pytest.approx(ll.evaluate(together, labels).smooth_ece, abs=1e-7)


def test_blocks_add_up_and_nothing_to_say_is_0():
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(4), 5000)
    labels = rng.integers(0, 4, 5000)
    accumulator = ll.EvaluationAccumulator()
    for rows in np.array_split(np.arange(5000), [3, 3000]):
        accumulator.add(p[rows], labels[rows])
    assert accumulator.result().smooth_ece == pytest.approx(ll.evaluate(p, labels).smooth_ece, rel=1e-9)
    assert ll.evaluate([[1.0, 0.0]], [0]).smooth_ece == 0.0
    assert ll.evaluate([[1.0, 0.0]], [1]).smooth_ece == pytest.approx(1.0, abs=0.01)
