import numpy as np
import pytest

from lastlayer.decision import Abstain, Evidence, abstention_score

ROWS = [[0.2, 0.8, 0.0], [0.5, 0.5, 0.0], [0.1, 0.3, 0.6], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_an_answer_where_the_score_is_at_least_the_threshold(dtype):
    rows = np.array(ROWS, dtype)
    rows.setflags(write=False)
    for score in ("max_probability", "margin", "entropy", "renyi_entropy"):
        for threshold in abstention_score(rows, score):
            answers = Abstain(threshold, score).apply(rows)
            assert answers.dtype == np.int64
            kept = abstention_score(rows, score) >= threshold
            assert answers.tolist() == np.where(kept, [1, 0, 2, 2], -1).tolist()


def test_a_threshold_of_each_class_is_that_of_the_answer():
    rule = Abstain([0.5, 0.9, 0.6])
    assert rule.apply(ROWS).tolist() == [-1, 0, 2, 2]
    assert rule.num_classes == 3
    assert Abstain(0.5).num_classes is None
    with pytest.raises(ValueError, match="2 columns, but the rule was made for 3 classes"):
        rule.apply([[0.5, 0.5]])


def test_no_rows_and_one_class():
    assert Abstain(0.5).apply(np.ones((0, 3))).shape == (0,)
    assert Abstain(1.0).apply(np.ones((2, 1))).tolist() == [0, 0]
    assert Abstain(0.0).apply(ROWS).tolist() == [1, 0, 2, 2]


def test_rules_are_equal_by_what_they_hold_and_cannot_be_changed():
    rule = Abstain([0.5, 0.9, 0.6], "margin", Evidence(7, "accuracy"))
    assert rule == Abstain(np.array([0.5, 0.9, 0.6]), "margin", Evidence(7, "accuracy"))
    assert rule != Abstain([0.5, 0.9, 0.6], "margin")
    assert rule != Abstain([0.5, 0.9, 0.7], "margin", Evidence(7, "accuracy"))
    assert Abstain(0.5) != Abstain([0.5])
    assert Abstain(0.5) != 0.5
    with pytest.raises(AttributeError):
        rule.score = "entropy"
    with pytest.raises(ValueError, match="read-only"):
        rule.threshold[0] = 0


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (1.5, r"threshold: received 1\.5, expected a number from 0 to 1"),
        (float("nan"), "threshold: received nan, expected a number from 0 to 1"),
        ([0.5, -0.1], r"threshold: class 1 has -0\.1, expected a number from 0 to 1"),
        ([[0.5]], r"threshold: shape is \(1, 1\), expected one number, or \(K,\)"),
        ([], r"threshold: shape is \(0,\), expected one number, or \(K,\)"),
    ],
)
def test_thresholds_that_are_none(threshold, message):
    with pytest.raises(ValueError, match=message):
        Abstain(threshold)


def test_other_kinds():
    with pytest.raises(TypeError, match="threshold: received True"):
        Abstain(True)
    with pytest.raises(TypeError, match="threshold: dtype is"):
        Abstain("high")
    with pytest.raises(ValueError, match="score: received 'energy'"):
        Abstain(0.5, "energy")
