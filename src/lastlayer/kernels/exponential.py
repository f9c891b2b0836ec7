"""exp for arguments <= 0, within about one unit in the last place, in a form that LLVM vectorises.

Reduction: exp(x) = 2^n 2^f with n = round(x / ln 2) and f = x / ln 2 - n, whose product is not rounded; then
2^f = 1 + f q(f) with q the minimax fit of (2^f - 1) / f on |f| <= 1/2 (Muller, Elementary Functions, 2016, chapter 3).

`exponential` is the function itself. `exponential_in_units` is what sums and ratios of exponentials take: it scales the
argument, and returns `unit` times the result, a power of two that keeps the smallest normal; where the caller divides
it out, results underflow gradually, as the definition does.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import DTypeLike, NDArray

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import at_least, fused_multiply_add, low_bits_as_exponent

UNIT_32, UNIT_64 = np.float32(2.0**64), np.float64(2.0**128)
# The arguments, -191 ln 2 and -1151 ln 2, where 2^n meets an exponent field of 0 and so is exactly 0, `unit` and all.
_LOWEST_32, _LOWEST_64 = np.float32(-132.3911), np.float64(-797.8124)
# Adding 1.5 * 2^(digits - 1) to a float leaves its rounded integer part in the low bits; what is added to that is the
# exponent field of `unit`, so that a shift alone makes unit * 2^n.
_ROUNDING_32 = np.float32(1.5 * 2**23 + 127 + 64)
_ROUNDING_64 = np.float64(1.5 * 2**52 + 1023 + 128)
# 1 / ln 2
_LOG2_E = Fraction(1.4426950408889634) + Fraction(2.0355273740931033e-17)
# Fits with a largest error of 3e-9 and 4e-18 of 2^f, highest power first.
_Q32 = tuple(np.float32(c) for c in (0.0001531935, 0.001339097, 0.009618499, 0.055503596, 0.24022648, 0.6931472))
_Q64 = (
    4.4390607965369927e-10,
    7.0733241158452e-09,
    1.0178159298782804e-07,
    1.3215438276877357e-06,
    1.525273363412794e-05,
    0.00015403530450228616,
    0.0013333558146548094,
    0.009618129107600588,
    0.05550410866482171,
    0.2402265069591011,
    0.6931471805599453,
)
_ONE_32, _ONE_64 = np.float32(1), np.float64(1)
# Where the constants of a scale stand.
LOWEST, POWERS, BETA, UNIT = range(4)


def scale_of(beta: float, dtype: DTypeLike) -> NDArray[Any]:
    """The constants that `exponential_in_units` takes for a beta > 0, an array (4,) of `dtype`.

    They are the lowest difference that is told from -inf, beta / ln 2, beta, and `unit`.
    """
    return _scale_of(float(beta), np.dtype(dtype)).copy()


@lru_cache(maxsize=64)
def _scale_of(beta: float, dtype: np.dtype[Any]) -> NDArray[Any]:
    lowest, unit = (_LOWEST_32, UNIT_32) if dtype == np.float32 else (_LOWEST_64, UNIT_64)
    return np.array([float(lowest) / beta, float(_LOG2_E * Fraction(beta)), beta, unit], dtype)


_PLAIN_32 = tuple(scale_of(1.0, np.float32))
_PLAIN_64 = tuple(float(constant) for constant in scale_of(1.0, np.float64))
_LOG2_E_32 = _PLAIN_32[POWERS], np.float32(float(_LOG2_E - Fraction(float(_PLAIN_32[POWERS]))))
_LOG2_E_64 = _PLAIN_64[POWERS], float(_LOG2_E - Fraction(_PLAIN_64[POWERS]))


@compiled(inline=True)
def unpacked(scale):
    """The constants of scale_of as a tuple, so that they stay in registers."""
    return scale[0], scale[1], scale[2], scale[3]


def plain_scale(logits: NDArray[Any]) -> Any:
    """The scale of beta = 1 in the type of an array, known to the compiler; only a kernel calls it."""
    raise NotImplementedError


def exponential(x: Any) -> Any:
    """exp(x) of a float32 or float64 x <= 0, in its type; -inf gives 0 and NaN gives NaN. Only a kernel calls it."""
    raise NotImplementedError


def exponential_in_units(difference: Any, scale: Any) -> Any:
    """`unit` * exp(beta * difference), in the type of `difference`; only a kernel calls it.

    Beyond a unit in the last place, its relative error is at most 2^-25 (float32) or 2^-54 times the exponent.

    Args:
      difference: float32 or float64, <= 0; -inf gives 0 and NaN gives NaN.
      scale: from plain_scale, or unpacked from scale_of.
    """
    raise NotImplementedError


def exponential_minus_one(x: Any) -> Any:
    """exp(x) - 1 of a float32 or float64 x <= 0, relatively accurate near 0; only a kernel calls it."""
    raise NotImplementedError


@compiled(inline=True)
def _slope32(f):
    q = fused_multiply_add(_Q32[0], f, _Q32[1])
    q = fused_multiply_add(q, f, _Q32[2])
    q = fused_multiply_add(q, f, _Q32[3])
    q = fused_multiply_add(q, f, _Q32[4])
    return fused_multiply_add(q, f, _Q32[5])


@compiled(inline=True)
def _two_to_the32(f):
    return fused_multiply_add(_slope32(f), f, _ONE_32)


@compiled(inline=True)
def _slope64(f):
    # In Estrin's order: one product after the other would leave a core waiting for the last.
    square = f * f
    fourth = square * square
    highest = fused_multiply_add(f, _Q64[0], _Q64[1])
    high = fused_multiply_add(square, fused_multiply_add(f, _Q64[2], _Q64[3]), fused_multiply_add(f, _Q64[4], _Q64[5]))
    low = fused_multiply_add(square, fused_multiply_add(f, _Q64[6], _Q64[7]), fused_multiply_add(f, _Q64[8], _Q64[9]))
    q = fused_multiply_add(fourth, fused_multiply_add(fourth, highest, high), low)
    return fused_multiply_add(f, q, _Q64[10])


@compiled(inline=True)
def _two_to_the64(f):
    return fused_multiply_add(f, _slope64(f), _ONE_64)


def _in_units32(difference, scale):
    difference = at_least(difference, scale[LOWEST])
    shifted = fused_multiply_add(difference, scale[POWERS], _ROUNDING_32)
    f = fused_multiply_add(difference, scale[POWERS], _ROUNDING_32 - shifted)
    return _two_to_the32(f) * low_bits_as_exponent(shifted)


def _in_units64(difference, scale):
    difference = at_least(difference, scale[LOWEST])
    shifted = fused_multiply_add(difference, scale[POWERS], _ROUNDING_64)
    f = fused_multiply_add(difference, scale[POWERS], _ROUNDING_64 - shifted)
    return _two_to_the64(f) * low_bits_as_exponent(shifted)


def _exponential32(x):
    x = at_least(x, _LOWEST_32)
    shifted = fused_multiply_add(x, _LOG2_E_32[0], _ROUNDING_32)
    f = fused_multiply_add(x, _LOG2_E_32[0], _ROUNDING_32 - shifted)
    f = fused_multiply_add(x, _LOG2_E_32[1], f)
    return _two_to_the32(f) * low_bits_as_exponent(shifted) * _PER_UNIT_32


def _exponential64(x):
    x = at_least(x, _LOWEST_64)
    shifted = fused_multiply_add(x, _LOG2_E_64[0], _ROUNDING_64)
    f = fused_multiply_add(x, _LOG2_E_64[0], _ROUNDING_64 - shifted)
    f = fused_multiply_add(x, _LOG2_E_64[1], f)
    return _two_to_the64(f) * low_bits_as_exponent(shifted) * _PER_UNIT_64


def _minus_one32(x):
    x = at_least(x, _LOWEST_32)
    shifted = fused_multiply_add(x, _LOG2_E_32[0], _ROUNDING_32)
    f = fused_multiply_add(x, _LOG2_E_32[0], _ROUNDING_32 - shifted)
    f = fused_multiply_add(x, _LOG2_E_32[1], f)
    power = low_bits_as_exponent(shifted) * _PER_UNIT_32
    return fused_multiply_add(power * f, _slope32(f), power - _ONE_32)


def _minus_one64(x):
    x = at_least(x, _LOWEST_64)
    shifted = fused_multiply_add(x, _LOG2_E_64[0], _ROUNDING_64)
    f = fused_multiply_add(x, _LOG2_E_64[0], _ROUNDING_64 - shifted)
    f = fused_multiply_add(x, _LOG2_E_64[1], f)
    power = low_bits_as_exponent(shifted) * _PER_UNIT_64
    return fused_multiply_add(power * f, _slope64(f), power - _ONE_64)


_PER_UNIT_32, _PER_UNIT_64 = np.float32(2.0**-64), np.float64(2.0**-128)


@overload(exponential, jit_options={"fastmath": False, "error_model": "numpy"})
def _choose_exponential(x):
    return {types.float32: _exponential32, types.float64: _exponential64}.get(getattr(x, "dtype", x))


@overload(exponential_minus_one, jit_options={"fastmath": False, "error_model": "numpy"})
def _choose_exponential_minus_one(x):
    return {types.float32: _minus_one32, types.float64: _minus_one64}.get(getattr(x, "dtype", x))


@overload(exponential_in_units, jit_options={"fastmath": False, "error_model": "numpy"})
def _choose_exponential_in_units(difference, scale):
    kind = getattr(difference, "dtype", difference)
    return {types.float32: _in_units32, types.float64: _in_units64}.get(kind)


@overload(plain_scale, jit_options={"error_model": "numpy"})
def _choose_plain_scale(logits):
    constants = _PLAIN_64 if logits.dtype == types.float64 else _PLAIN_32
    return lambda logits: constants
