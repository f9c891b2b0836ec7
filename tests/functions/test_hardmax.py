import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lastlayer as ll


def test_worked_example():
    # "explaining softmax": the one-hot argmax of 0.95, 0.99, 0.98.
    np.testing.assert_array_equal(ll.hardmax(np.array([[0.95, 0.99, 0.98]])), [[0, 1, 0]])


def test_the_first_of_equals_wins():
    np.testing.assert_array_equal(ll.hardmax([[1, 3, 3], [2, 2, 2]]), [[0, 1, 0], [1, 0, 0]])


def test_the_first_of_equals_on_several_axes_is_that_of_the_least_index():
    logits = np.zeros((2, 3, 2))
    logits[1, 2, 0] = logits[1, 1, 1] = 4.0
    for order in ("C", "F"):
        result = ll.hardmax(np.asarray(logits, order=order), axis=(0, 1))
        assert (result[1, 2, 0], result[1, 1, 1], result.sum()) == (1, 1, 2)
        result = ll.hardmax(np.asarray(logits, order=order), axis=None)
        assert (result[1, 1, 1], result.sum()) == (1, 1)
    np.testing.assert_array_equal(ll.hardmax(logits, axis=()), 1)


@settings(max_examples=60)
@given(
    arrays.arrays(
        st.sampled_from((np.float16, np.float32, np.float64)),
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6),
        elements=st.integers(-5, 5),
    ),
    st.data(),
)
def test_is_the_limit_of_softmax(logits, data):
    axis = data.draw(st.integers(-logits.ndim, logits.ndim - 1))
    result = ll.hardmax(logits, axis=axis)
    assert result.dtype == logits.dtype
    assert set(np.unique(result)) <= {0, 1}
    np.testing.assert_array_equal(result.argmax(axis), logits.argmax(axis))
    np.testing.assert_array_equal(result.sum(axis), 1)
    unequal = (logits == logits.max(axis, keepdims=True)).sum(axis, keepdims=True) == 1
    limit = ll.softmax(logits.astype(np.float64), axis=axis, beta=1e4)
    np.testing.assert_array_equal(np.where(unequal, result, 0), np.where(unequal, limit, 0))


def test_trap_18_edges_of_shape():
    assert ll.hardmax(3.0) == 1.0
    assert type(ll.hardmax(np.float32(3))) is np.float32  # as softmax gives
    assert np.isnan(ll.hardmax(np.nan))
    assert ll.hardmax(np.zeros((0, 3))).shape == (0, 3)
    with pytest.raises(ValueError, match="expected at least one class"):
        ll.hardmax(np.zeros((3, 0)))
