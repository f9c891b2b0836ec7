import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.decision import Argmax, LeastCost, least_cost
from tests.oracles.abstention import least_cost_answer

# In sixteenths, which floats hold exactly.
SIXTEENTHS = st.lists(st.integers(0, 16), min_size=3, max_size=3).map(lambda w: [*w[:2], 16 - sum(w[:2])])


@given(
    SIXTEENTHS.filter(lambda w: min(w) >= 0),
    st.lists(st.integers(-4, 4), min_size=9, max_size=9),
    st.none() | st.integers(-3, 4),
)
def test_the_least_expected_cost_the_first_of_equals(sixteenths, costs, abstain_cost):
    row, cost = [w / 16 for w in sixteenths], np.reshape(costs, (3, 3))
    answer = LeastCost(cost, abstain_cost).apply(np.array([row], np.float32))
    assert answer.dtype == np.int64
    assert answer.tolist() == [least_cost_answer(row, cost.tolist(), abstain_cost)]


def test_elkan_s_credit_example():
    """Elkan 2001, The Foundations of Cost-Sensitive Learning, section 1.2 and equation 2: a threshold on p.

    With c10 = 1 (false alarm) and c01 = 9 (miss), predict 1 where p >= 1 / (1 + 9).
    """
    rule = least_cost([[0, 1], [9, 0]])
    assert rule.apply([[0.89, 0.11], [0.91, 0.09]]).tolist() == [1, 0]


def test_equal_costs_are_the_most_probable_class():
    """Chow 1970, On Optimum Recognition Error and Reject Tradeoff: reject where 1 - max p is above the cost of it."""
    rows = np.random.default_rng(0).dirichlet(np.full(30, 0.1), 5000)
    cost = 1 - np.eye(30)
    assert np.array_equal(LeastCost(cost).apply(rows), Argmax().apply(rows))
    rejected = LeastCost(cost, 0.4).apply(rows) < 0
    assert np.array_equal(rejected, rows.max(axis=1) < 0.6)


def test_ties_within_rounding_go_to_the_first():
    """.1 + .2 is not .3 in floats; the costs of the two classes are equal all the same."""
    cost = [[0.3, 0.1 + 0.2, 1], [0.3, 0.1 + 0.2, 1], [1, 1, 1]]
    assert LeastCost(cost).apply([[0.7, 0.3, 0.0]]).tolist() == [0]
    assert LeastCost([[0, 3], [3, 0]], abstain_cost=0.3 * 3).apply([[0.7, 0.3]]).tolist() == [0]


def test_no_rows_one_class_and_what_it_holds():
    rule = least_cost([[0.5]], abstain_cost=0.2)
    assert rule.apply(np.ones((2, 1))).tolist() == [-1, -1]
    assert rule.apply(np.ones((0, 1))).shape == (0,)
    assert rule.num_classes == 1
    assert rule == LeastCost([[0.5]], 0.2)
    assert rule != LeastCost([[0.5]])
    assert rule != LeastCost([[0.4]], 0.2)
    assert rule != "least cost"
    with pytest.raises(ValueError, match="2 columns, but the rule was made for 1 classes"):
        rule.apply([[0.5, 0.5]])


@pytest.mark.parametrize(
    ("cost", "abstain_cost", "message"),
    [
        ([[1, 2]], None, r"cost: shape is \(1, 2\), expected \(K, K\), a row for each true class"),
        ([1, 2], None, r"cost: shape is \(2,\)"),
        (np.ones((0, 0)), None, r"cost: shape is \(0, 0\)"),
        ([[0, np.nan], [1, 0]], None, "cost: row 0, column 1 is nan, expected a finite number"),
        ([[0, 1], [-np.inf, 0]], None, "cost: row 1, column 0 is -inf, expected a finite number"),
        ([[0, 1], [1, 0]], np.nan, "abstain_cost: received nan, expected one finite number"),
        ([[0, 1], [1, 0]], [1.0], "abstain_cost: received .*, expected one finite number"),
    ],
)
def test_costs_that_are_none(cost, abstain_cost, message):
    for make in (lambda: LeastCost(cost, abstain_cost), lambda: least_cost(cost, abstain_cost=abstain_cost)):
        with pytest.raises(ValueError, match=f"^{message}"):
            make()
