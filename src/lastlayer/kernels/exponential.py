"""exp for arguments <= 0, within about one unit in the last place, in a form that LLVM vectorises.

Reduction: n = round(t / ln 2), r = t - n ln 2 with ln 2 in two pieces and fused products, then
exp(r) = 1 + r + r² q(r) with q the Chebyshev fit of (exp(r) - 1 - r) / r² on |r| <= ln(2) / 2 (Muller, Elementary
Functions, 2016, chapter 3).

`exponential` is the function itself. `exponential_in_units` is what sums and ratios of exponentials take: it scales the
argument at no cost in accuracy, and returns `unit` times the result, a power of two that keeps the smallest normal;
where the caller divides it out, results underflow gradually, as the definition does.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numba import types
from numba.extending import overload

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import bits_of, float_of_bits, fused_multiply_add

UNIT_32, UNIT_64 = np.float32(2.0**64), np.float64(2.0**128)
# The arguments, -191 ln 2 and -1151 ln 2, where 2^n meets an exponent field of 0 and so is exactly 0, `unit` and all.
_LOWEST_32, _LOWEST_64 = np.float32(-132.3911), np.float64(-797.8124)
# Adding 1.5 * 2^(digits - 1) to a float leaves its rounded integer part in the low bits; what is added to that is the
# exponent field of `unit`, so that a shift alone makes unit * 2^n.
_ROUNDING_32 = np.float32(1.5 * 2**23 + 127 + 64)
_ROUNDING_64 = np.float64(1.5 * 2**52 + 1023 + 128)
_LN2 = Fraction(0.6931471805599453) + Fraction(2.3190468138462996e-17)
_ZERO_32, _ZERO_64 = np.float32(0.0), np.float64(0.0)
_SHIFT_32, _SHIFT_64 = np.int32(23), np.int64(52)
# Fits with a largest error of 8e-9 and 1.3e-17 of exp(r), highest power first.
_Q32 = tuple(np.float32(c) for c in (0.0013926213, 0.008363203, 0.041666556, 0.16666576, 0.5, 1.0))
_Q64 = (
    2.5100424157005067e-08,
    2.7620138719733994e-07,
    2.7557268378684192e-06,
    2.480152119021773e-05,
    0.00019841269863105968,
    0.0013888888917281794,
    0.008333333333330051,
    0.04166666666662399,
    0.16666666666666669,
    0.5000000000000001,
    1.0,
)


def scale_of(beta, dtype):
    """The constants that `exponential_in_units` takes for a beta > 0, an array (6,) of `dtype`.

    They are the lowest difference that is told from -inf, beta / ln 2, -ln(2) / beta in two pieces, beta, and `unit`.
    """
    return _scale_of(float(beta), np.dtype(dtype)).copy()


@lru_cache(maxsize=64)
def _scale_of(beta, dtype):
    step = _LN2 / Fraction(beta)
    high = dtype.type(float(step))
    low = dtype.type(float(step - Fraction(float(high))))
    lowest, unit = (_LOWEST_32, UNIT_32) if dtype == np.float32 else (_LOWEST_64, UNIT_64)
    return np.array([float(lowest) / beta, float(1 / step), -high, -low, beta, unit], dtype)


_PLAIN_32 = tuple(scale_of(1.0, np.float32))
_PLAIN_64 = tuple(float(constant) for constant in scale_of(1.0, np.float64))


@compiled(inline=True)
def unpacked(scale):
    """The constants of scale_of as a tuple, so that they stay in registers."""
    return scale[0], scale[1], scale[2], scale[3], scale[4], scale[5]


def plain_scale(logits):
    """The scale of beta = 1 in the type of an array, known to the compiler; only a kernel calls it."""
    raise NotImplementedError


def exponential(high, low):
    """exp(high + low), in the type of both; only a kernel calls it.

    Args:
      high: float32 or float64, <= 0; -inf gives 0 and NaN gives NaN.
      low: what rounding took from it, at most a few units in the last place of `high`. It may be anything where
        `high` is not finite: the error terms of a sum or product that overflows are infinite or NaN.
    """
    raise NotImplementedError


def exponential_in_units(difference, lost, scale):
    """`unit` * exp(beta * (difference + lost)), in the type of `difference`; only a kernel calls it.

    Args:
      difference: float32 or float64, <= 0; -inf gives 0 and NaN gives NaN.
      lost: what rounding took from `difference`, at most half a unit in its last place; or None.
      scale: from plain_scale, or unpacked from scale_of.
    """
    raise NotImplementedError


@compiled(inline=True)
def _of_reduced32(r):
    q = fused_multiply_add(_Q32[0], r, _Q32[1])
    q = fused_multiply_add(q, r, _Q32[2])
    q = fused_multiply_add(q, r, _Q32[3])
    q = fused_multiply_add(q, r, _Q32[4])
    q = fused_multiply_add(q, r, _Q32[5])
    return fused_multiply_add(q, r, _Q32[5])


@compiled(inline=True)
def _of_reduced64(r):
    # In Estrin's order: one product after the other would leave a core waiting for the last.
    square = r * r
    fourth = square * square
    highest = fused_multiply_add(r, _Q64[0], _Q64[1])
    high = fused_multiply_add(square, fused_multiply_add(r, _Q64[2], _Q64[3]), fused_multiply_add(r, _Q64[4], _Q64[5]))
    low = fused_multiply_add(square, fused_multiply_add(r, _Q64[6], _Q64[7]), fused_multiply_add(r, _Q64[8], _Q64[9]))
    q = fused_multiply_add(fourth, fused_multiply_add(fourth, highest, high), low)
    return _Q64[10] + fused_multiply_add(square, q, r)


def _in_units32(difference, lost, scale):
    lowest, powers, minus_ln2_high, minus_ln2_low, beta, _unit = scale
    # A comparison with NaN is false, so NaN stays.
    difference = lowest if difference < lowest else difference
    shifted = fused_multiply_add(difference, powers, _ROUNDING_32)
    n = shifted - _ROUNDING_32
    r = fused_multiply_add(n, minus_ln2_high, difference)
    if lost is not None:
        r += lost
    r = fused_multiply_add(n, minus_ln2_low, r) * beta
    return _of_reduced32(r) * float_of_bits(np.int32(bits_of(shifted) << _SHIFT_32))


def _in_units64(difference, lost, scale):
    lowest, powers, minus_ln2_high, minus_ln2_low, beta, _unit = scale
    difference = lowest if difference < lowest else difference
    shifted = fused_multiply_add(difference, powers, _ROUNDING_64)
    n = shifted - _ROUNDING_64
    r = fused_multiply_add(n, minus_ln2_high, difference)
    if lost is not None:
        r += lost
    r = fused_multiply_add(n, minus_ln2_low, r) * beta
    return _of_reduced64(r) * float_of_bits(bits_of(shifted) << _SHIFT_64)


def _exponential32(high, low):
    # Where `high` is below the lowest or NaN, `low` may be anything.
    return _plain_in_units32(high, low if high > _LOWEST_32 else _ZERO_32, _PLAIN_32) * _PER_UNIT_32


def _exponential64(high, low):
    return _plain_in_units64(high, low if high > _LOWEST_64 else _ZERO_64, _PLAIN_64) * _PER_UNIT_64


_plain_in_units32, _plain_in_units64 = compiled(_in_units32, inline=True), compiled(_in_units64, inline=True)
_PER_UNIT_32, _PER_UNIT_64 = np.float32(2.0**-64), np.float64(2.0**-128)


@overload(exponential, jit_options={"fastmath": False, "error_model": "numpy"})
def _choose_exponential(high, low):
    if high == low:
        return {types.float32: _exponential32, types.float64: _exponential64}.get(high)
    return None


@overload(exponential_in_units, jit_options={"fastmath": False, "error_model": "numpy"})
def _choose_exponential_in_units(difference, lost, scale):
    return {types.float32: _in_units32, types.float64: _in_units64}.get(difference)


@overload(plain_scale, jit_options={"error_model": "numpy"})
def _choose_plain_scale(logits):
    constants = _PLAIN_32 if logits.dtype == types.float32 else _PLAIN_64
    return lambda logits: constants
