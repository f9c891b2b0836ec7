from fractions import Fraction

import numba
import numpy as np
import pytest

from lastlayer.kernels.exact import exact_sum

FLOATS = (np.float32, np.float64)
sums = numba.njit(lambda a, b: exact_sum(a, b))


def numbers(dtype, count=300):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(count, 2)) * 10.0 ** rng.integers(-6, 7, (count, 2))).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_sum_loses_nothing(dtype):
    for a, b in numbers(dtype):
        high, low = sums(a, b)
        assert high == a + b
        assert Fraction(float(high)) + Fraction(float(low)) == Fraction(float(a)) + Fraction(float(b))
