"""exp(high + low) for high <= 0, within about one unit in the last place, in a form that LLVM vectorises.

Reduction: n = round(high / ln 2), r = high + low - n ln 2 with ln 2 in two pieces and fused products, then
exp(r) = 1 + r + r² q(r) with q the Chebyshev fit of (exp(r) - 1 - r) / r² on |r| <= ln(2) / 2 (Muller, Elementary
Functions, 2016, chapter 3). The scale 2^n is applied in two steps so that results underflow gradually, as the
definition does, and are exactly 0 where exp rounds to 0.
"""

import numpy as np
from numba import types
from numba.extending import overload

from lastlayer.kernels.instructions import bits_of, float_of_bits, fused_multiply_add

# Adding 1.5 * 2^(digits - 1) to a float leaves its rounded integer part in the low bits.
_ROUNDING_32 = np.float32(1.5 * 2**23)
_ROUNDING_64 = np.float64(1.5 * 2**52)
_LOG2E_32, _LN2_HIGH_32, _LN2_LOW_32 = np.float32(1.442695), np.float32(0.6931472), np.float32(-1.9046542e-09)
_LOG2E_64, _LN2_HIGH_64, _LN2_LOW_64 = 1.4426950408889634, 0.6931471805599453, 2.3190468138462996e-17
# Below these, exp rounds to 0 in the type, and stays representable in the two-step scaling.
_LOWEST_32, _LOWEST_64 = np.float32(-105.0), np.float64(-746.0)
_EXPONENT_32, _STEP_32, _UNSTEP_32 = np.int32((127 + 64) << 23), np.int32(23), np.float32(2.0**-64)
_EXPONENT_64, _STEP_64, _UNSTEP_64 = np.int64((1023 + 128) << 52), np.int64(52), np.float64(2.0**-128)
_ZERO_32, _ONE_32 = np.float32(0.0), np.float32(1.0)
# Fits with a largest error of 8e-9 and 1.3e-17 of exp(r), highest power first.
_Q32 = tuple(np.float32(c) for c in (0.0013926213, 0.008363203, 0.041666556, 0.16666576, 0.5))
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
)


def exponential(high, low):
    """exp(high + low) as float32 or float64, whichever both are; a kernel calls it, Python does not.

    Args:
      high: the argument, <= 0; -inf gives 0 and NaN gives NaN.
      low: what rounding took from it, at most a few units in the last place of `high`. It may be anything where
        `high` is not finite: the error terms of a sum or product that overflows are infinite or NaN.
    """
    raise NotImplementedError


def _exponential32(high, low):
    # A comparison with NaN is false: `high` keeps its NaN, `low` loses its own.
    low = low if high > _LOWEST_32 else _ZERO_32
    high = _LOWEST_32 if high < _LOWEST_32 else high
    shifted = fused_multiply_add(high, _LOG2E_32, _ROUNDING_32)
    n = shifted - _ROUNDING_32
    r = fused_multiply_add(n, -_LN2_HIGH_32, high)
    r = fused_multiply_add(n, -_LN2_LOW_32, r + low)
    q = fused_multiply_add(_Q32[0], r, _Q32[1])
    q = fused_multiply_add(q, r, _Q32[2])
    q = fused_multiply_add(q, r, _Q32[3])
    q = fused_multiply_add(q, r, _Q32[4])
    power = fused_multiply_add(q, r * r, r) + _ONE_32
    return power * float_of_bits(np.int32((bits_of(shifted) << _STEP_32) + _EXPONENT_32)) * _UNSTEP_32


def _exponential64(high, low):
    low = low if high > _LOWEST_64 else 0.0
    high = _LOWEST_64 if high < _LOWEST_64 else high
    shifted = fused_multiply_add(high, _LOG2E_64, _ROUNDING_64)
    n = shifted - _ROUNDING_64
    r = fused_multiply_add(n, -_LN2_HIGH_64, high)
    r = fused_multiply_add(n, -_LN2_LOW_64, r + low)
    q = fused_multiply_add(_Q64[0], r, _Q64[1])
    q = fused_multiply_add(q, r, _Q64[2])
    q = fused_multiply_add(q, r, _Q64[3])
    q = fused_multiply_add(q, r, _Q64[4])
    q = fused_multiply_add(q, r, _Q64[5])
    q = fused_multiply_add(q, r, _Q64[6])
    q = fused_multiply_add(q, r, _Q64[7])
    q = fused_multiply_add(q, r, _Q64[8])
    q = fused_multiply_add(q, r, _Q64[9])
    power = fused_multiply_add(q, r * r, r) + 1.0
    return power * float_of_bits((bits_of(shifted) << _STEP_64) + _EXPONENT_64) * _UNSTEP_64


@overload(exponential, jit_options={"fastmath": False, "error_model": "numpy"})
def _choose_exponential(high, low):
    if high == low == types.float32:
        return _exponential32
    if high == low == types.float64:
        return _exponential64
    return None
