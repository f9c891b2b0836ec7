import numpy as np
import pytest

import lastlayer as ll
from lastlayer.estimators.adopted_head import adopt_softmax


def adopted(weight, bias, classes):
    head = ll.SoftmaxClassifier()
    adopt_softmax(head, np.array(weight), np.array(bias), classes, source="there")
    return head


def test_rows_go_with_their_sorted_classes():
    head = adopted([[1.0], [2.0], [3.0]], [0.1, 0.2, 0.3], [30, 10, 20])
    assert head.classes_.tolist() == [10, 20, 30]
    assert head.coef_.tolist() == [[2.0], [3.0], [1.0]]
    assert head.intercept_.tolist() == [0.2, 0.3, 0.1]


@pytest.mark.parametrize(("classes", "sign"), [([True, False], -1), ([False, True], 1)])
def test_two_classes_have_one_row_for_the_second(classes, sign):
    head = adopted([[1.0], [4.0]], [0.0, 0.5], classes)
    assert head.classes_.tolist() == [False, True]
    assert (head.coef_.tolist(), head.intercept_.tolist()) == ([[3.0 * sign]], [0.5 * sign])


@pytest.mark.parametrize(
    ("weight", "bias", "error", "message"),
    [
        ([[1.0], [2.0], [3.0]], [0.0, 0.0], ValueError, r"^there: weights of shape \(3, 1\) with a bias of shape \(2,"),
        ([1.0, 2.0, 3.0], [0.0] * 3, ValueError, r"^there: weights of shape \(3,\)"),
        ([[1], [2], [3]], [0.0] * 3, TypeError, "^there: weights are int64, expected float32 or float64"),
        ([[1.0], [np.nan], [3.0]], [0.0] * 3, ValueError, r"^there: weights hold nan at \(1, 0\), expected finite"),
    ],
)
def test_refuses_what_is_no_head(weight, bias, error, message):
    with pytest.raises(error, match=message):
        adopted(weight, bias, ["a", "b", "c"])


def test_refuses_a_difference_that_is_not_finite():
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=r"^there: weights hold inf at \(0, 0\)"):
        adopted([[-1.5e308], [1.5e308]], [0.0, 0.0], ["a", "b"])
