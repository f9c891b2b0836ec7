from fractions import Fraction

import numba
import numpy as np
import pytest

from lastlayer.kernels.exact import exact_sum, surely_below

FLOATS = (np.float32, np.float64)
sums = numba.njit(lambda a, b: exact_sum(a, b))
bottoms = numba.njit(lambda top, reach: surely_below(top, reach))


def numbers(dtype, count=300):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(count, 2)) * 10.0 ** rng.integers(-6, 7, (count, 2))).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_sum_loses_nothing(dtype):
    for a, b in numbers(dtype):
        high, low = sums(a, b)
        assert high == a + b
        assert Fraction(float(high)) + Fraction(float(low)) == Fraction(float(a)) + Fraction(float(b))


@pytest.mark.parametrize("dtype", FLOATS)
def test_surely_below_is_below(dtype):
    for top, reach in numbers(dtype):
        bottom = bottoms(top, -abs(reach))
        assert Fraction(float(bottom)) <= Fraction(float(top)) - abs(Fraction(float(reach)))
        assert bottom >= top - abs(reach) - abs(top - abs(reach)) * 1e-6
