import pickle

import numpy as np
import pytest

from lastlayer.samplers import Candidates, Uniform


def test_made_by_hand_with_counts_of_labels():
    candidates = Candidates([3, 1], np.log([0.5, 0.25]), lambda labels: np.log(labels + 1.0))
    assert candidates.indices.dtype == np.int64
    assert candidates.log_expected_count.dtype == np.float64
    np.testing.assert_allclose(candidates.log_expected_count_of([[0, 3]]), np.log([[1.0, 4.0]]))


def test_made_by_hand_without_them():
    with pytest.raises(
        ValueError, match=r"candidates: have no expected counts of labels, expected Candidates\(indices"
    ):
        Candidates([3, 1], [0.0, 0.0]).log_expected_count_of([0])


def test_may_be_pickled_and_not_changed():
    candidates = Uniform(10, random_state=0).sample(3)
    again = pickle.loads(pickle.dumps(candidates))
    np.testing.assert_array_equal(again.indices, candidates.indices)
    np.testing.assert_array_equal(again.log_expected_count_of([4]), candidates.log_expected_count_of([4]))
    with pytest.raises(AttributeError):
        candidates.indices = np.zeros(3, np.int64)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([], []), ValueError, r"indices: shape is \(0,\), expected \(S,\), one class or more"),
        (([[1]], [0.0]), ValueError, r"indices: shape is \(1, 1\), expected \(S,\)"),
        (([1.0], [0.0]), TypeError, "indices: dtype is float64, expected integers"),
        (([1, -2], [0.0, 0.0]), ValueError, "indices: entry 1 is -2, expected a class from 0 on"),
        (([1, 2], [0.0]), ValueError, r"log_expected_count: shape is \(1,\), expected \(2,\)"),
        (([1, 2], [0.0, -np.inf]), ValueError, "log_expected_count: entry 1 is -inf, expected a finite number"),
        (([1, 2], [np.nan, 0.0]), ValueError, "log_expected_count: entry 0 is nan, expected a finite number"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, error, words):
    with pytest.raises(error, match=words):
        Candidates(*arguments)


def test_counts_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"of_labels: returned shape \(\), expected \(2,\), that of the labels"):
        Candidates([0], [0.0], lambda labels: 0.0).log_expected_count_of([0, 1])
