import numpy as np
import pytest

from lastlayer.losses import ClassRows


def test_the_rows_of_other_classes_are_zero():
    rows = ClassRows(np.array([1, 3]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(rows.to_dense(5), [[0, 0], [1, 2], [0, 0], [3, 4], [0, 0]])
    bias = ClassRows(np.array([0]), np.array([7.0], np.float32)).to_dense(np.int64(2))
    assert bias.dtype == np.float32
    assert bias.tolist() == [7, 0]
    assert ClassRows(np.zeros(0, int), np.zeros((0, 3))).to_dense(2).shape == (2, 3)


def test_fewer_classes_than_there_are_rows_for():
    with pytest.raises(ValueError, match="num_classes: received 3, expected 4 or more"):
        ClassRows(np.array([1, 3]), np.zeros((2, 2))).to_dense(3)
