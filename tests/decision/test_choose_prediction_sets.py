from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from lastlayer.decision import choose_prediction_sets
from tests.oracles.conformal import chance_of_being_in_the_set, in_plain_set


def two_classes(own):
    """Rows of two classes, whose labels, all 0, have these probabilities."""
    return np.stack([own, 1 - np.asarray(own)], axis=1)


def chance_in_set(rule, p):
    threshold, chance = np.atleast_1d(rule.threshold), [1.0] if rule.chance is None else rule.chance
    return float(np.sum(chance, where=np.float64(p) >= threshold))


@settings(max_examples=60)
@given(
    own=st.lists(st.integers(1, 8), min_size=10, max_size=40),
    new=st.integers(0, 16),
    coverage=st.sampled_from([0.5, 0.57, 0.8, 0.9]),
)
def test_sets_are_those_of_the_definition(own, new, coverage):
    own, p = [value / 8 for value in own], new / 16
    plain = choose_prediction_sets(two_classes(own), np.zeros(len(own), int), coverage=coverage)
    assert (chance_in_set(plain, p) == 1) == in_plain_set(p, own, coverage)
    drawn = choose_prediction_sets(two_classes(own), np.zeros(len(own), int), coverage=coverage, randomised=True)
    assert chance_in_set(drawn, p) == pytest.approx(float(chance_of_being_in_the_set(p, own, coverage)), abs=1e-12)


@settings(max_examples=40)
@given(
    values=st.lists(st.integers(1, 12), min_size=12, max_size=40),
    coverage=st.sampled_from(["0.5", "0.63", "0.9"]),
)
def test_coverage_of_a_row_that_is_any_one_of_them(values, coverage):
    # Exchangeable rows: each of n + 1 is equally likely to be the new one.
    values = np.array(values) / 12
    covered = {False: 0.0, True: 0.0}
    for i, value in enumerate(values):
        rest = np.delete(values, i)
        for randomised in covered:
            rule = choose_prediction_sets(
                two_classes(rest), np.zeros(len(rest), int), coverage=float(coverage), randomised=randomised
            )
            covered[randomised] += chance_in_set(rule, value) / len(values)
    assert covered[True] == pytest.approx(float(Fraction(coverage)), abs=1e-12)
    assert covered[False] >= float(coverage) - 1e-12


@pytest.mark.parametrize("randomised", [False, True])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_of_each_class_its_own_rows_choose(form, randomised):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 300).astype(np.float32)
    labels = rng.choice(4, 300, p=[0.5, 0.3, 0.18, 0.02])
    rule = choose_prediction_sets(
        form(p), labels, coverage=0.9, randomised=randomised, class_conditional=True, rare="always"
    )
    for k in range(4):
        own = labels == k
        if own.sum() < 9:
            assert not rule.threshold[..., k].any()
            continue
        alone = choose_prediction_sets(p[own], labels[own], coverage=0.9, randomised=randomised)
        if not randomised:
            assert rule.threshold[k] == alone.threshold
            continue
        levels = len(alone.threshold)
        assert rule.threshold[:levels, k].tolist() == alone.threshold.tolist()
        assert rule.chance[:levels, k].tolist() == alone.chance.tolist()
        assert not rule.chance[levels:, k].any()
    assert rule.apply(p)[np.arange(300), labels].mean() == pytest.approx(rule.evidence.reached, abs=0.05)


def test_literal_figures_and_what_they_state():
    # Nine rows: the rank is ceil(10 * .8) = 8, and the eighth largest of .1, .2, ..., .9 is .2.
    own = np.arange(1, 10) / 10
    rule = choose_prediction_sets(two_classes(own), np.zeros(9, int), coverage=0.8)
    assert rule.threshold == 0.2
    assert (rule.evidence.rows, rule.evidence.target, rule.evidence.bound) == (9, 0.8, 0.8)
    assert rule.evidence.reached == pytest.approx(8 / 9)
    assert choose_prediction_sets(two_classes(own), np.zeros(9, int), coverage=0.75).evidence.bound == 0.8
    drawn = choose_prediction_sets(two_classes(own), np.zeros(9, int), coverage=0.75, randomised=True)
    # 10 * .25 = 2.5 of the smoothed ranks: .2 has 1 below it, so u must exceed 1.5 / 2; .3 has 2, and u .5 / 2.
    assert drawn.threshold.tolist() == [np.nextafter(0.3, 1), 0.3, np.nextafter(0.2, 1), 0.2]
    assert drawn.chance == pytest.approx([0.25] * 4)


def test_only_the_labels_own_probability_is_needed():
    rng = np.random.default_rng(1)
    p, labels = rng.dirichlet(np.ones(5), 40), rng.integers(0, 5, 40)
    alone = sp.csr_array((p[np.arange(40), labels], (np.arange(40), labels)), shape=p.shape)
    assert choose_prediction_sets(alone, labels, coverage=0.8) == choose_prediction_sets(p, labels, coverage=0.8)


def test_sets_are_empty_where_the_model_is_right_too_often():
    p = two_classes(np.linspace(0.9, 0.99, 19))
    rule = choose_prediction_sets(p, np.zeros(19, int), coverage=0.5)
    assert (rule.apply(p).sum(axis=1) == 0).sum() == 9


P = np.array([[0.9, 0.1]] * 8 + [[0.0, 1.0]] * 2)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((P, [0] * 10), {"coverage": 1}, ValueError, "coverage: received 1, expected a number above 0 and below 1"),
        ((P, [0] * 10), {"coverage": "high"}, TypeError, "coverage: received 'high'"),
        ((P, [0] * 10), {"coverage": 0.95}, ValueError, "probabilities: 10 rows, expected at least 19 for a coverage"),
        (
            (P, [0] * 10),
            {"coverage": 0.8},
            ValueError,
            "0.8 would take sets of all classes, .* in 2 of 10 rows; .* 0.727",
        ),
        ((P, [0] * 10), {"coverage": 0.8, "randomised": True}, ValueError, "0.8 would take sets of all classes"),
        (
            (P, [0] * 7 + [1] * 3),
            {"coverage": 0.8, "class_conditional": True},
            ValueError,
            r"labels: class 1 has 3 rows, expected at least 4 for a coverage of 0.8 of each class \(1 of 2 classes",
        ),
        (
            (P, [1] * 4 + [0] * 6),
            {"coverage": 0.8, "class_conditional": True},
            ValueError,
            "0.8 would take sets of all classes, .* in 2 of 6 rows of class 0",
        ),
        ((P, [0] * 10), {"coverage": 0.8, "rare": "never"}, ValueError, "rare: received 'never'"),
        ((P, [0] * 10), {"coverage": 0.8, "rare": "always"}, ValueError, "which is for class_conditional=True"),
        ((P, [0] * 9), {"coverage": 0.8}, ValueError, r"labels: shape is \(9,\), expected \(10,\)"),
        ((P, [2] * 10), {"coverage": 0.8}, ValueError, "labels: row 0 is 2, but probabilities have 2 classes"),
        ((P * 2, [0] * 10), {"coverage": 0.8}, ValueError, "probabilities: row 0 has 1.8 for class 0"),
        ((P[:0], []), {"coverage": 0.5}, ValueError, "probabilities: 0 rows, expected at least 1"),
    ],
)
def test_bad_arguments_are_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        choose_prediction_sets(*arguments, **options)
