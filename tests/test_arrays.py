import numpy as np
import pytest

from lastlayer._arrays import as_names, checked_beta, class_axes, class_axis, positive_number, without_overlap


def test_names_are_an_array_of_str():
    assert as_names(["cat", "", "é"]).dtype == np.dtype("<U3")
    assert as_names([]).shape == (0,)


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b" * 300],  # picked for a million rows, a gigabyte
        ["", *["a"] * 9999, "b" * 200],  # 8 MB for 10 kB of text
        ["a", "a\0"],  # which a str array takes for the same
    ],
)
def test_trap_39_names_are_objects_where_str_would_waste_or_lose(names):
    array = as_names(names)
    assert array.dtype == object
    assert array.tolist() == names


@pytest.mark.parametrize("beta", [1e-301, 1e301, 0.0, -1.0, np.inf, np.nan, 10**400, pytest.param(10**5000, id="huge")])
def test_a_beta_out_of_range(beta):
    with pytest.raises(ValueError, match=r"^beta: received .*, expected"):
        checked_beta(beta)


@pytest.mark.parametrize("value", [True, np.True_, "1", None, 1j, [1]])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match=r"^C: received .*, expected a number greater than 0"):
        positive_number(value, "C")


def test_a_number_becomes_a_float():
    for value in (2, np.int8(2), np.float16(2), np.longdouble(2)):
        assert positive_number(value, "C") == 2.0
        assert type(positive_number(value, "C")) is float


def test_axes_are_numbers_from_zero_in_order():
    array = np.zeros((2, 3, 4))
    for axis, expected in ((-1, (2,)), ((2, -3), (0, 2)), (None, (0, 1, 2)), ((), ()), (np.int8(1), (1,))):
        assert class_axes(array, axis) == expected
        assert all(type(one) is int for one in class_axes(array, axis))
    assert class_axes(np.array(1.0), None) == class_axes(np.array(1.0), -1) == (0,)
    assert class_axes(np.zeros((2, 0)), None, may_be_empty=True) == (0, 1)
    assert class_axis(array, -2) == 1


@pytest.mark.parametrize("axis", [None, (0,), True, 1.0, "0"])
def test_one_axis_is_one_integer(axis):
    with pytest.raises(TypeError, match=r"^axis: received .*, expected one integer\.$"):
        class_axis(np.zeros((2, 3)), axis)


def test_only_memory_that_overlaps_is_copied():
    memory = np.arange(12.0)
    array = memory[:6].reshape(2, 3)
    assert without_overlap(array, memory[6:].reshape(2, 3)) is array
    assert without_overlap(array, memory[:6].reshape(2, 3)) is array
    for out in (memory[1:7].reshape(2, 3), memory[:6].reshape(3, 2).T, memory.view(np.float32)[:6].reshape(2, 3)):
        kept = without_overlap(array, out)
        assert not np.shares_memory(kept, memory)
        np.testing.assert_array_equal(kept, array)
