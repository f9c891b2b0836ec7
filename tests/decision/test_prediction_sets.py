import numpy as np
import pytest
import scipy.sparse as sp

import lastlayer as ll
from lastlayer.decision import PredictionSets, linear_top_k

RULES = [
    PredictionSets(0.2),
    PredictionSets([0.2, 0.3, 0.1, 0.5, 0.6, 0.05]),
    PredictionSets([0.4, 0.2], [0.3, 0.7]),
    PredictionSets([[0.4] * 6, [0.2, 0.1, 0.3, 0.2, 0.2, 0.2]], [[0.5] * 6, [0.5] * 6]),
]


def probabilities(num_rows=200, dtype=np.float32):
    return np.random.default_rng(0).dirichlet(np.full(6, 0.3), num_rows).astype(dtype)


def test_plain_sets_are_a_comparison():
    p = probabilities()
    for rule in RULES[:2]:
        np.testing.assert_array_equal(rule.apply(p), p.astype(np.float64) >= rule.threshold)
    assert PredictionSets(0.3).apply([[0.6, 0.3, 0.1], [0.35, 0.25, 0.4]]).tolist() == [
        [True, True, False],
        [True, False, True],
    ]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_sparse_and_most_probable_classes_alike(rule, dtype):
    p = probabilities(dtype=dtype)
    expected = rule.apply(p)
    assert expected.dtype == bool
    order = np.argsort(-p, axis=1, kind="stable")
    found = [
        rule.apply(sp.csr_array(p)),
        rule.apply(sp.coo_matrix(p)),
        rule.apply_top_k(order, np.take_along_axis(p, order, axis=1), num_classes=6),
    ]
    for sets in found:
        assert sets.format == "csr"
        assert sets.dtype == bool
        assert sets.has_sorted_indices
        np.testing.assert_array_equal(sets.toarray(), expected)
    # A row gets the same set on its own and in any order.
    np.testing.assert_array_equal(rule.apply(p[::-1]), expected[::-1])
    np.testing.assert_array_equal(np.concatenate([rule.apply(p[:7]), rule.apply(p[7:])]), expected)


def test_rows_take_the_thresholds_by_their_chances():
    p = np.random.default_rng(1).dirichlet(np.ones(3), 20_000)
    rule = PredictionSets([0.6, 0.4, 0.2], [0.2, 0.3, 0.5])
    sets = [rule.apply(p).sum(axis=1) - (p >= t).sum(axis=1) == 0 for t in (0.6, 0.4, 0.2)]
    assert np.all(sets[0] | sets[1] | sets[2])
    between = (p[:, 0] >= 0.4) & (p[:, 0] < 0.6)
    assert rule.apply(p)[between, 0].mean() == pytest.approx(0.8, abs=0.015)
    between = (p[:, 0] >= 0.2) & (p[:, 0] < 0.4)
    assert rule.apply(p)[between, 0].mean() == pytest.approx(0.5, abs=0.015)


def test_many_classes_without_a_dense_answer_and_without_dense_probabilities():
    rng = np.random.default_rng(2)
    features, weight = rng.normal(size=(30, 8)), rng.normal(size=(5000, 8)) * 2
    p = ll.softmax(features @ weight.T)
    threshold = 0.04
    assert np.abs(p - threshold).min() > 1e-7
    rule = PredictionSets(threshold)
    assert rule.largest_set == 25
    dense = rule.apply(p)
    assert dense.format == "csr"
    np.testing.assert_array_equal(dense.toarray(), p >= threshold)
    top = linear_top_k(features, weight, rule.largest_set)
    few = rule.apply_top_k(*top, num_classes=5000)
    assert (few != dense).nnz == 0


def test_no_more_classes_reach_a_threshold_than_its_inverse():
    assert PredictionSets(0.5).largest_set == 2
    assert PredictionSets(1 / 3).largest_set == 3
    assert PredictionSets([0.3, 0.09]).largest_set == 11
    assert PredictionSets(1.0).largest_set == 1
    # Two of two that reach it are all that there can be; one of one may not be.
    sets = PredictionSets(0.5).apply_top_k([[2, 0]], [[0.5, 0.5]], num_classes=3)
    assert sets.toarray().tolist() == [[True, False, True]]
    with pytest.raises(
        ValueError, match=r"the least of row 1 is 0.5, which reaches the threshold 0.5, .* pass the 2 most"
    ):
        PredictionSets(0.5).apply_top_k([[2], [1]], [[0.3], [0.5]], num_classes=3)


def test_two_classes_and_one_and_no_rows():
    assert PredictionSets(0.4).apply([[0.5, 0.5], [0.7, 0.3]]).tolist() == [[True, True], [True, False]]
    assert PredictionSets([0.9, 0.4], [0.5, 0.5]).apply([[1.0], [0.3]]).tolist() == [[True], [False]]
    assert PredictionSets(0.4).apply(np.zeros((0, 3))).shape == (0, 3)
    assert PredictionSets(0.4).apply(np.zeros((0, 5000))).shape == (0, 5000)


def test_a_class_of_threshold_0_is_in_every_set():
    rule = PredictionSets([0.5, 0.0])
    assert rule.apply([[1.0, 0.0], [0.2, 0.8]]).tolist() == [[True, True], [False, True]]
    for refused in (
        lambda: rule.apply(sp.csr_array([[1.0, 0.0]])),
        lambda: rule.apply_top_k([[0]], [[1.0]], num_classes=2),
    ):
        with pytest.raises(ValueError, match="threshold: is 0, which puts the class into every set"):
            refused()


def test_rules_are_frozen_and_compare_by_what_they_do():
    assert PredictionSets(0.2) == PredictionSets(0.2) != PredictionSets(0.3)
    assert PredictionSets([0.2, 0.1]) == PredictionSets(np.array([0.2, 0.1]))
    assert PredictionSets([0.2, 0.1]) != PredictionSets([0.2, 0.1], [0.5, 0.5])
    assert [rule.num_classes for rule in RULES] == [None, 6, None, 6]
    assert [rule.randomised for rule in RULES] == [False, False, True, True]
    assert len({PredictionSets(0.2), PredictionSets(0.2), PredictionSets(0.3)}) == 2
    with pytest.raises(AttributeError):
        PredictionSets(0.2).threshold = 0.3  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        PredictionSets([0.2, 0.1]).threshold[0] = 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.5,), "threshold: received 1.5, expected a number from 0 to 1"),
        (([0.2, np.nan],), "threshold: class 1 has nan, expected a number from 0 to 1"),
        (([[0.2]],), r"threshold: shape is \(1, 1\), expected one number, or \(K,\)"),
        (([],), r"threshold: shape is \(0,\)"),
        ((0.2, [1.0]), r"threshold: shape is \(\)"),
        (([0.4, 0.2], [1.0]), r"chance: shape is \(1,\), expected \(2,\)"),
        (([0.4, 0.2], [0.5, 0.4]), "chance: sums to 0.9, expected 1"),
        (([0.2, 0.4], [0.5, 0.5]), "threshold: ascends along its first axis"),
    ],
)
def test_bad_rules_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PredictionSets(*arguments)


@pytest.mark.parametrize(
    ("apply", "error", "message"),
    [
        (
            lambda: PredictionSets([0.2, 0.1]).apply([[0.3, 0.3, 0.4]]),
            ValueError,
            "3 classes, expected 2, one for each",
        ),
        (lambda: PredictionSets(0.2).apply([0.3, 0.7]), ValueError, r"shape is \(2,\), expected \(N, K\)"),
        (lambda: PredictionSets(0.2).apply([[0.3, 1.7]]), ValueError, "row 0 has 1.7 for class 1, expected numbers"),
        (lambda: PredictionSets(0.2).apply_top_k([[0]], [[0.3, 0.7]], num_classes=3), ValueError, "indices: shape is"),
        (lambda: PredictionSets(0.2).apply_top_k([[3]], [[0.1]], num_classes=3), ValueError, "indices: are 3 to 3"),
        (
            lambda: PredictionSets(0.2).apply_top_k([[0.0]], [[0.1]], num_classes=3),
            TypeError,
            "indices: dtype is float64",
        ),
        (lambda: PredictionSets(0.2).apply_top_k([[0, 1]], [[0.1, 0.2]], num_classes=3), ValueError, "row 0 ascends"),
    ],
)
def test_bad_probabilities_are_named(apply, error, message):
    with pytest.raises(error, match=message):
        apply()
