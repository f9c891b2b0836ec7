import numpy as np
import pytest

from lastlayer._arrays import as_names, checked_beta, positive_number


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
