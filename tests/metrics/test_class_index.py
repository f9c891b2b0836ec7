import numpy as np
import pytest

from lastlayer.metrics import ClassIndex


def test_finds_indices_in_the_order_given():
    index = ClassIndex(["dog", "cat", "cow"])
    assert index.find(np.array(["cow", "dog", "dog", "cat"])).tolist() == [2, 0, 0, 1]


def test_knows_what_is_a_class():
    index = ClassIndex([30, 10, 20])
    assert index.knows(np.array([10, 11, 40, 30, -5])).tolist() == [True, False, False, True, False]
    assert index.knows(np.array(["10", "x"])).tolist() == [False, False]
    assert ClassIndex(["a"]).knows(np.array([1.0])).tolist() == [False]


def test_names_the_first_label_that_is_no_class():
    with pytest.raises(ValueError, match=r"labels: row 1 is 'ant', which is none of the 2 classes \(2 such rows\)"):
        ClassIndex(["bee", "cat"]).find(np.array(["bee", "ant", "zebra"]))


def test_refuses_a_class_that_stands_twice():
    with pytest.raises(ValueError, match="'b' stands at 1 and at 3, expected each class once"):
        ClassIndex(["a", "b", "c", "b"])
