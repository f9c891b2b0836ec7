import itertools

import numpy as np
import pytest

from lastlayer.functions.merged_axes import merged_axes

AXES = [axes for count in range(4) for axes in itertools.combinations(range(3), count)]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("order", ["C", "F", "reversed"])
def test_entries_along_the_merged_axis_are_those_of_the_axes(axes, order):
    array = np.arange(24.0).reshape(2, 3, 4)
    array = array[:, ::-1] if order == "reversed" else np.asarray(array, order=order)
    merged = merged_axes(array, axes)
    assert merged.array.shape[merged.axis] == np.prod([array.shape[axis] for axis in axes], dtype=int)
    np.testing.assert_array_equal(merged.array.sum(merged.axis), array.sum(axes))
    np.testing.assert_array_equal(merged.restore(merged.array), array)
    in_order = merged_axes(array, axes, in_index_order=True)
    expected = np.moveaxis(array, axes, range(3 - len(axes), 3)).reshape(*array.sum(axes).shape, -1)
    np.testing.assert_array_equal(np.moveaxis(in_order.array, in_order.axis, -1), expected)


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (2, 3), (0, 1, 2, 3), (1,)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_neighbours_in_memory_are_merged_without_a_copy(axes, order):
    array = np.zeros((2, 3, 4, 5), order=order)
    merged = merged_axes(array, axes)
    assert np.shares_memory(merged.array, array)
    assert merged.array.flags.c_contiguous or merged.array.flags.f_contiguous
    assert np.shares_memory(merged.restore(merged.array), array)


def test_a_scalar_and_nothing_to_merge():
    scalar = merged_axes(np.array(3.0), (0,))
    assert (scalar.array.shape, scalar.axis) == ((), 0)
    none = merged_axes(np.zeros((2, 3)), ())
    assert (none.array.shape, none.axis) == ((2, 3, 1), 2)
    assert merged_axes(np.zeros((2, 0, 3)), (0, 1)).array.shape == (0, 3)
