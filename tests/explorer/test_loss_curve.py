import math

import numpy as np
import pytest

from lastlayer.explorer.loss_curve import loss_curve, loss_points
from tests.oracles import softmax as oracle

SCORES = np.array([2.0, 1.0, 0.1])
REST = math.log(math.exp(1.0) + math.exp(0.1))


def test_a_stop_costs_what_its_p_says():
    curve = loss_curve(SCORES, 0, REST, 0.0)
    np.testing.assert_allclose(curve["loss"], [-math.log(p) for p in curve["p"]], rtol=1e-12)
    np.testing.assert_allclose(curve["likelihood"], [1 - p for p in curve["p"]], rtol=1e-12)
    assert curve["smoothed"] is None
    assert curve["p"] == sorted(curve["p"])


def test_the_score_of_a_stop_gives_its_p():
    curve = loss_curve(SCORES, 0, REST, 0.0)
    for p, score in zip(curve["p"], curve["score"], strict=True):
        reached = float(oracle.softmax([float(score), *SCORES[1:]])[0])
        # Four decimals of a score leave p right to its own four digits.
        assert reached == pytest.approx(p, rel=6e-5)


def test_smoothed_is_least_at_the_target():
    curve = loss_curve(SCORES, 0, REST, 0.3)
    least = curve["p"][int(np.argmin(curve["smoothed"]))]
    assert least == pytest.approx(1 - 0.3 + 0.3 / 3, abs=0.006)
    # By the definition, at p = 0.5: the others share the rest as exp(1) to exp(0.1).
    at = curve["p"].index(0.5)
    shares = [0.5, 0.5 * math.exp(1 - REST), 0.5 * math.exp(0.1 - REST)]
    expected = 0.7 * math.log(2) - 0.1 * sum(math.log(p) for p in shares)
    assert curve["smoothed"][at] == pytest.approx(expected, rel=1e-12)


def test_where_no_score_moves_p():
    alone = loss_curve(np.array([3.0]), 0, -math.inf, 0.1)
    assert (alone["score"], alone["smoothed"]) == (None, None)
    beside_impossible = loss_curve(np.array([1.0, 0.0, -math.inf]), 0, 0.0, 0.1)
    assert beside_impossible["smoothed"] is None
    assert beside_impossible["score"][beside_impossible["p"].index(0.5)] == "0.0"


def test_points_of_both_losses():
    for point in loss_points():
        p = point["p"]
        assert point["loss"] == pytest.approx(-math.log(p), rel=1e-12)
        assert point["slope"] == pytest.approx(p - 1, rel=1e-12)
        assert point["likelihood"] == pytest.approx(1 - p, rel=1e-12)
        assert point["likelihood_slope"] == pytest.approx(-p * (1 - p), rel=1e-12)
