import numba
import numpy as np
import pytest
from mpmath import mp, mpf

from lastlayer.kernels.logarithm import logarithm


@numba.njit
def logarithms(high, low):
    result = np.empty_like(high)
    for i in range(high.size):
        result[i] = logarithm(high[i], low[i])
    return result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_error_is_below_a_unit_in_the_last_place(dtype):
    rng = np.random.default_rng(0)
    eps = float(np.finfo(dtype).eps)
    high = np.concatenate([1 + rng.random(1000), 1 + 10 ** rng.uniform(-9, 0, 1000), 10 ** rng.uniform(0, 7, 1000)])
    high = high.astype(dtype)
    low = (high * rng.uniform(-0.5, 0.5, high.size) * eps).astype(dtype)
    low[high == 1] = 0.25 * eps
    # A sum of 1 and almost nothing: here the result is `low` itself.
    high = np.concatenate([high, np.ones(200, dtype)])
    low = np.concatenate([low, 10 ** rng.uniform(-37, np.log10(eps / 2), 200)]).astype(dtype)
    with mp.workdps(60):
        exact = [mp.log1p(mpf(float(a)) - 1 + mpf(float(b))) for a, b in zip(high, low, strict=True)]
        errors = [float(abs(mpf(float(v)) - e) / abs(e)) for v, e in zip(logarithms(high, low), exact, strict=True)]
    assert max(errors) <= eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_and_nan(dtype):
    result = logarithms(np.array([1, np.nan], dtype), np.array([0, np.nan], dtype))
    np.testing.assert_array_equal(result, [0, np.nan])
