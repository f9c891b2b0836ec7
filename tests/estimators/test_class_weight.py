import numpy as np
import pytest

from lastlayer.estimators.class_weight import class_factors

CLASSES, LABELS = np.array(["cat", "cow", "dog"]), np.array([0, 0, 0, 1, 2, 2])


def factors(class_weight, weight=None):
    return class_factors(class_weight, CLASSES, LABELS, np.ones(6) if weight is None else np.asarray(weight, float))


def test_none_is_one():
    np.testing.assert_array_equal(factors(None), [1, 1, 1])


def test_balanced_gives_every_class_the_same_weight_in_total():
    np.testing.assert_allclose(factors("balanced"), [6 / (3 * 3), 6 / (3 * 1), 6 / (3 * 2)])
    weight = [1, 2, 3, 0.5, 1, 1]
    totals = np.bincount(LABELS, factors("balanced", weight)[LABELS] * weight)
    np.testing.assert_allclose(totals, 8.5 / 3)


def test_a_class_without_weight_stays_without():
    np.testing.assert_allclose(factors("balanced", [1, 1, 1, 0, 1, 1]), [5 / 9, 0, 5 / 6])


def test_a_dict_leaves_the_others_at_one():
    np.testing.assert_array_equal(factors({"dog": 2.5, "cat": 0}), [0, 1, 2.5])


@pytest.mark.parametrize(
    ("class_weight", "error", "words"),
    [
        ({"bird": 1}, ValueError, "'bird' is no class of y, expected keys among 'cat', 'cow', 'dog'"),
        ({"dog": -1}, ValueError, "'dog' has -1, expected a finite factor that is not negative"),
        ({"dog": float("nan")}, ValueError, "'dog' has nan"),
        ("heavy", TypeError, "received 'heavy', expected None, 'balanced' or a dict"),
        ([1, 2, 3], TypeError, "expected None, 'balanced' or a dict"),
    ],
)
def test_what_is_refused(class_weight, error, words):
    with pytest.raises(error, match=words):
        factors(class_weight)
