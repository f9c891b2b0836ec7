import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.decision import abstention_score
from lastlayer.decision.abstention_scores import ABSTENTION_SCORES


def slow_scores(row):
    """Each score of one row, by its definition."""
    top, second = sorted(row, reverse=True)[:2]
    shannon = -math.fsum(p * math.log(p) for p in row if p > 0)
    renyi = 2 * math.log(math.fsum(math.sqrt(p) for p in row))
    most = math.log(len(row))
    return {
        "max_probability": top,
        "margin": top - second,
        "entropy": 1 - shannon / most,
        "renyi_entropy": 1 - renyi / most,
    }


@given(st.lists(st.integers(0, 9), min_size=2, max_size=40).filter(any))
def test_the_scores_of_the_definitions(weights):
    row = np.array(weights) / sum(weights)
    for score, expected in slow_scores(row.tolist()).items():
        assert abstention_score([row], score)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("score", ABSTENTION_SCORES)
def test_from_0_to_1_and_1_where_a_class_is_certain(score):
    certain, equal = np.eye(5), np.full((1, 5), 0.2)
    assert abstention_score(certain, score) == pytest.approx(np.ones(5), abs=0)
    assert abstention_score(equal, score)[0] == pytest.approx(0.2 if score == "max_probability" else 0.0, abs=1e-15)
    assert abstention_score(np.ones((3, 1)), score).tolist() == [1, 1, 1]
    assert abstention_score(np.ones((0, 3)), score).shape == (0,)


@pytest.mark.parametrize("score", ABSTENTION_SCORES)
def test_a_row_has_the_same_score_among_any_others(score):
    rows = np.random.default_rng(0).dirichlet(np.ones(700), 200).astype(np.float32)
    together = abstention_score(rows, score)
    assert np.array_equal(together, np.concatenate([abstention_score(row[None], score) for row in rows]))
    assert np.array_equal(together, abstention_score(np.asfortranarray(rows), score))


def test_literal_numbers():
    """Entropies of (1/2, 1/4, 1/4) in bits: Shannon's is 3/2; of order 1/2, 2 log2(sqrt(1/2) + 1) = 1.5431."""
    row = [[0.5, 0.25, 0.25]]
    assert abstention_score(row, "entropy")[0] == pytest.approx(1 - 1.5 / math.log2(3))
    assert abstention_score(row, "renyi_entropy")[0] == pytest.approx(1 - 1.5431066 / math.log2(3), abs=1e-7)
    assert abstention_score(row)[0] == 0.5
    with pytest.raises(ValueError, match="score: received 'confidence', expected one of 'max_probability', "):
        abstention_score(row, "confidence")
