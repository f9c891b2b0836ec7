import numba
import numpy as np
import pytest
from mpmath import mp, mpf

from lastlayer.kernels.exponential import (
    UNIT,
    exponential,
    exponential_in_units,
    exponential_minus_one,
    plain_scale,
    scale_of,
    unpacked,
)

FLOATS = (np.float32, np.float64)


@numba.njit
def exponentials(x):
    result = np.empty_like(x)
    for i in range(x.size):
        result[i] = exponential(x[i])
    return result


@numba.njit
def exponentials_minus_one(x):
    result = np.empty_like(x)
    for i in range(x.size):
        result[i] = exponential_minus_one(x[i])
    return result


@numba.njit
def scaled_exponentials(difference, scale):
    result = np.empty_like(difference)
    constants = unpacked(scale)
    for i in range(difference.size):
        result[i] = exponential_in_units(difference[i], constants) / constants[UNIT]
    return result


@numba.njit
def plain_exponentials(difference):
    result = np.empty_like(difference)
    constants = plain_scale(difference)
    for i in range(difference.size):
        result[i] = exponential_in_units(difference[i], constants) / constants[UNIT]
    return result


def arguments(dtype):
    rng = np.random.default_rng(0)
    limit = 86.0 if dtype == np.float32 else 707.0
    return -np.concatenate([rng.uniform(0, limit, 1500), rng.random(1500), 10.0 ** rng.uniform(-12, 1, 500)]).astype(
        dtype
    )


def errors(values, x, beta):
    with mp.workdps(40):
        expected = [mp.exp(mpf(beta) * mpf(float(a))) for a in x]
        return np.array([float(abs(mpf(float(v)) - e) / e) for v, e in zip(values, expected, strict=True)])


@pytest.mark.parametrize("dtype", FLOATS)
def test_error_is_below_a_unit_in_the_last_place(dtype):
    x = arguments(dtype)
    assert errors(exponentials(x), x, 1.0).max() <= np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("beta", [1e-25, 0.01, 1 / 3, 1.0, 500.0, 1e25])
def test_scaling_the_argument_costs_a_quarter_of_a_unit_for_each_unit_of_the_exponent(dtype, beta):
    difference = (arguments(dtype) / beta).astype(dtype)
    values = scaled_exponentials(difference, scale_of(beta, dtype))
    bound = np.finfo(dtype).eps * (1 - beta * difference.astype(float) / 4)
    assert (errors(values, difference, beta) <= bound).all()
    if beta == 1.0:
        np.testing.assert_array_equal(plain_exponentials(difference), values)


@pytest.mark.parametrize("dtype", FLOATS)
def test_ends_of_the_line(dtype):
    x = np.array([0.0, -0.0, -np.inf, np.nan, np.finfo(dtype).min], dtype)
    np.testing.assert_array_equal(exponentials(x), [1, 1, 0, np.nan, 0])
    np.testing.assert_array_equal(plain_exponentials(x), [1, 1, 0, np.nan, 0])


@pytest.mark.parametrize("dtype", FLOATS)
def test_underflow_is_gradual(dtype):
    edge = np.log(np.finfo(dtype).tiny).astype(dtype)
    x = np.linspace(edge - 12, edge, 50).astype(dtype)
    smallest = float(np.finfo(dtype).smallest_subnormal)
    expected = np.exp(x.astype(np.longdouble))
    assert (np.abs(exponentials(x) - expected) <= 0.51 * smallest + expected * np.finfo(dtype).eps).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_exponential_minus_one_is_relatively_accurate_near_0(dtype):
    x = arguments(dtype)
    with mp.workdps(40):
        expected = np.array([float(mp.expm1(mpf(float(value)))) for value in x])
    errors = np.abs(exponentials_minus_one(x) / expected - 1)
    assert errors.max() <= 4 * np.finfo(dtype).eps
    special = exponentials_minus_one(np.array([0.0, -np.inf, np.nan, -1e30], dtype))
    np.testing.assert_array_equal(special, [0.0, -1.0, np.nan, -1.0])
