import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastlayer.decision.accepted_rank import accepted_rank, fewest_rows, p_values, starts
from tests.oracles.abstention import answered_rows, binomial_tail, start_ranks


def test_clopper_pearson_of_the_textbooks():
    """0 wrong of 100: the bound 1 - .05^(1/100) = .0295. 3 of 10: the two-sided interval of 95 % is .0667 to .6525."""
    assert p_values(np.array([100]), np.array([0]), 0.05 ** (1 / 100))[0] == pytest.approx(0.05, rel=1e-12)
    assert p_values(np.array([10]), np.array([7]), 0.06673951117773447)[0] == pytest.approx(0.025, rel=1e-9)
    assert p_values(np.array([10]), np.array([3]), 1 - 0.6524528500599972)[0] == pytest.approx(0.025, rel=1e-9)


@settings(max_examples=60)
@given(st.integers(1, 80), st.data(), st.sampled_from([0.1, 0.5, 0.9, 0.97, 0.999]))
def test_the_tail_of_the_binomial(rows, data, accuracy):
    wrong = data.draw(st.integers(0, rows))
    exact = float(binomial_tail(rows, wrong, accuracy))
    assert p_values(np.array([rows]), np.array([wrong]), accuracy)[0] == pytest.approx(exact, rel=1e-11)


def test_rows_that_are_needed():
    assert fewest_rows(0.97, 0.05) == 99
    assert fewest_rows(0.5, 0.25) == 2
    assert [starts(rows, 0.97, 0.05) for rows in (99, 100, 3000)] == [[], [99], [135, 540, 2160]]
    assert starts(60, 0.5, 0.1) == start_ranks(60, 0.5, 0.1)


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.sampled_from([0.2, 0.4, 0.5, 0.9, 1.0]), st.integers(0, 5)), min_size=1, max_size=60),
    st.sampled_from([0.5, 0.7, 0.8]),
    st.sampled_from([0.25, 0.3, 0.05]),
)
def test_as_many_rows_as_the_definition_answers(rows, accuracy, risk):
    scores, luck = np.array(rows).T
    right = luck > 0
    found = accepted_rank(scores, right, accuracy, risk)
    assert found == answered_rows(scores.tolist(), right.tolist(), accuracy, risk)
    order = np.random.default_rng(0).permutation(len(rows))
    assert accepted_rank(scores[order], right[order], accuracy, risk) == found


ACCURACY, RISK = 0.5, 0.25
# Shares of stretches of continuous scores, the chance of a wrong answer in each, and whether a threshold there misses
# the accuracy: from the first row on, from a stretch on, and again after a stretch where it did not.
STRETCHES = [
    ((1.0,), (0.5,), (True,)),
    ((0.3, 0.3, 0.4), (0.2, 0.8, 0.5), (False, False, True)),
    ((0.5, 0.25, 0.25), (0.3, 0.9, 0.5), (False, False, True)),
    ((0.2, 0.4, 0.2, 0.2), (0.5, 0.3, 0.9, 0.5), (True, False, False, True)),
    ((0.15, 0.15, 0.3, 0.2, 0.2), (0.9, 0.1, 0.25, 0.875, 0.5), (True, True, False, False, True)),
]


@functools.cache
def answered_of_every_order(num_rows):
    """Every order of right and wrong answers of which some are given, and how many are."""
    right = (np.arange(2**num_rows)[:, None] >> np.arange(num_rows)) & 1 == 1
    scores = np.linspace(0.9, 0.1, num_rows)
    answered = np.array([accepted_rank(scores, of, ACCURACY, RISK) for of in right])
    return right[answered > 0], answered[answered > 0]


@pytest.mark.parametrize(("shares", "errors", "misses"), STRETCHES)
def test_a_wrong_result_is_as_rare_as_it_says(shares, errors, misses):
    """Every order of right and wrong answers of 13 rows, with its exact probability, whatever start they come to."""
    num_rows = 13
    assert len(starts(num_rows, ACCURACY, RISK)) == 2
    right, answered = answered_of_every_order(num_rows)
    log_rights = np.log1p(-np.array(errors))
    log_odds, wrong = np.log(errors) - log_rights, np.float64(~right)
    missed = np.array([[any(misses[a : b + 1]) for b in range(len(shares))] for a in range(len(shares))])
    total = 0.0
    for counts in _compositions(num_rows, len(shares)):
        stretch = np.repeat(np.arange(len(shares)), counts)
        ways = math.factorial(num_rows) / math.prod(map(math.factorial, counts)) * np.prod(np.power(shares, counts))
        probability = ways * np.exp(log_rights[stretch].sum() + wrong @ log_odds[stretch])
        # The threshold lies between the last row that is answered and the next one.
        last, following = np.append(stretch, len(shares) - 1)[[answered - 1, answered]]
        total += probability[missed[last, following]].sum()
    assert RISK / 100 <= total <= RISK


@pytest.mark.parametrize("best", [1.0, 0.9])
def test_a_wrong_result_is_as_rare_with_ties(best):
    """Every outcome of 24 rows with two scores, with its exact probability."""
    outcomes = np.array(list(_compositions(24, 4)))
    first = outcomes[:, :2].sum(axis=1)
    answered = np.array(
        [
            accepted_rank(np.repeat([best, best, 0.5, 0.5], n), np.repeat([True, False, True, False], n), 0.5, RISK)
            for n in outcomes
        ]
    )
    ways = np.array([math.lgamma(25) - sum(math.lgamma(n + 1) for n in outcome) for outcome in outcomes])
    worst = 0.0
    for share, *errors in itertools.product((0.1, 0.3, 0.6, 0.9), (0.2, 0.5, 0.55, 0.9), (0.2, 0.5, 0.55, 0.9)):
        cells = np.array([share, share, 1 - share, 1 - share]) * [1 - errors[0], errors[0], 1 - errors[1], errors[1]]
        probability = np.exp(ways + outcomes @ np.log(cells))
        wrong = np.zeros(len(outcomes), bool)
        if errors[0] >= 1 - ACCURACY:
            wrong |= (answered == first) & (answered > 0)
        if cells[1] + cells[3] >= 1 - ACCURACY - 1e-12:
            wrong |= answered == 24
        worst = max(worst, probability[wrong].sum())
    assert (RISK / 4 if best == 1 else 0) < worst <= RISK


def _compositions(total, parts):
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def test_bad_luck_at_the_top_is_not_the_end():
    """Four wrong among the best 135 rows break the first sequence; the start at 540 goes on with its own share."""
    scores = np.linspace(0.9, 0, 3000)
    right = np.ones(3000, bool)
    right[[5, 50, 99, 130]] = False
    assert accepted_rank(scores, right, 0.97, 0.05) == 3000


def test_ties():
    right = np.arange(400) != 3
    assert accepted_rank(np.repeat([1.0, 0.5], [200, 200]), right, 0.97, 0.05) == 400
    # Where 1 is not what ties, the wrong one comes first and breaks the only sequence, which starts at 99.
    assert accepted_rank(np.repeat([0.9, 0.5], [200, 200]), right, 0.97, 0.05) == 0
    right[250:300] = False
    assert accepted_rank(np.repeat([1.0, 0.5], [200, 200]), right, 0.97, 0.05) == 200
