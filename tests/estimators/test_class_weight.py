import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

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
    "class_weight",
    [
        {"cat": 1.0, "cow": 3.0, "dog": 2.0, "bird": 5.0},
        {"cat": 2.0, "bird": 5.0},
        {"bird": 5.0},
        {"cow": 3.0},
        {},
    ],
)
def test_keys_that_are_no_class_are_taken_or_refused_as_scikit_learn_does(class_weight):
    names = CLASSES[LABELS]
    try:
        expected = compute_class_weight(class_weight, classes=CLASSES, y=names)
    except ValueError:
        with pytest.raises(ValueError, match="'bird' is no class of y"):
            factors(class_weight)
    else:
        np.testing.assert_array_equal(factors(class_weight), expected)


@pytest.mark.parametrize(
    ("class_weight", "error", "words"),
    [
        (
            {"bird": 1, "cat": 1, "cow": 2},
            ValueError,
            "'bird' is no class of y, but the class 'dog' has no key, expected keys among 'cat', 'cow', 'dog'; name "
            "every class, or leave 'bird' out",
        ),
        ({"cat": 1, "cow": 1, "dog": 1, "bird": -1}, ValueError, "'bird' has -1"),
        ({"dog": -1}, ValueError, "'dog' has -1, expected a finite factor that is not negative"),
        ({"dog": float("nan")}, ValueError, "'dog' has nan"),
        ({"dog": "2"}, TypeError, "'dog' has '2', expected a number"),
        ("heavy", TypeError, "received 'heavy', expected None, 'balanced' or a dict"),
        ([1, 2, 3], TypeError, "expected None, 'balanced' or a dict"),
    ],
)
def test_what_is_refused(class_weight, error, words):
    with pytest.raises(error, match=words):
        factors(class_weight)
