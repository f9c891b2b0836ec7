import numba
import numpy as np
import pytest
from mpmath import mp, mpf

from lastlayer.kernels.exponential import exponential, exponential_in_units, plain_scale, scale_of, unpacked

FLOATS = (np.float32, np.float64)


@numba.njit
def exponentials(high, low):
    result = np.empty_like(high)
    for i in range(high.size):
        result[i] = exponential(high[i], low[i])
    return result


@numba.njit
def scaled_exponentials(difference, lost, scale):
    result = np.empty_like(difference)
    constants = unpacked(scale)
    for i in range(difference.size):
        result[i] = exponential_in_units(difference[i], lost[i], constants) / constants[5]
    return result


@numba.njit
def plain_exponentials(difference):
    result = np.empty_like(difference)
    constants = plain_scale(difference)
    for i in range(difference.size):
        result[i] = exponential_in_units(difference[i], None, constants) / constants[5]
    return result


def arguments(dtype):
    rng = np.random.default_rng(0)
    limit = 86.0 if dtype == np.float32 else 707.0
    return -np.concatenate([rng.uniform(0, limit, 1500), rng.random(1500), 10.0 ** rng.uniform(-12, 1, 500)]).astype(
        dtype
    )


def rounding_of(values):
    share = np.random.default_rng(1).uniform(-0.5, 0.5, values.size)
    return (values * np.finfo(values.dtype).eps * share).astype(values.dtype)


def largest_error(values, high, low, beta):
    with mp.workdps(40):
        expected = [mp.exp(mpf(beta) * (mpf(float(a)) + mpf(float(b)))) for a, b in zip(high, low, strict=True)]
        return max(float(abs(mpf(float(v)) - e) / e) for v, e in zip(values, expected, strict=True))


@pytest.mark.parametrize("dtype", FLOATS)
def test_error_is_below_a_unit_in_the_last_place(dtype):
    high = arguments(dtype)
    low = rounding_of(high)
    assert largest_error(exponentials(high, low), high, low, 1.0) <= np.finfo(dtype).eps
    assert largest_error(plain_exponentials(high), high, np.zeros_like(high), 1.0) <= np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("beta", [1e-25, 0.01, 1 / 3, 1.0, 500.0, 1e25])
def test_scaling_the_argument_costs_no_accuracy(dtype, beta):
    difference = (arguments(dtype) / beta).astype(dtype)
    lost = rounding_of(difference)
    values = scaled_exponentials(difference, lost, scale_of(beta, dtype))
    assert largest_error(values, difference, lost, beta) <= np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", FLOATS)
def test_ends_of_the_line(dtype):
    high = np.array([0.0, -0.0, -np.inf, np.nan, np.finfo(dtype).min], dtype)
    low = np.array([0.0, 0.0, np.nan, 0.0, np.inf], dtype)
    np.testing.assert_array_equal(exponentials(high, low), [1, 1, 0, np.nan, 0])
    np.testing.assert_array_equal(plain_exponentials(high), [1, 1, 0, np.nan, 0])


@pytest.mark.parametrize("dtype", FLOATS)
def test_underflow_is_gradual(dtype):
    edge = np.log(np.finfo(dtype).tiny).astype(dtype)
    high = np.linspace(edge - 12, edge, 50).astype(dtype)
    smallest = float(np.finfo(dtype).smallest_subnormal)
    expected = np.exp(high.astype(np.longdouble))
    values = exponentials(high, np.zeros_like(high))
    assert (np.abs(values - expected) <= 0.51 * smallest + expected * np.finfo(dtype).eps).all()
