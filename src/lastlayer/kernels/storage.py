"""What kernels read and write: float32 and float64 as they are, and bfloat16, which NumPy does not know, as its bits.

An array of uint16 holds the upper halves of float32 numbers. Kernels read every entry through `number` and write it
through `stored`; in between they compute in float32 for it.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import DTypeLike, NDArray

from lastlayer.kernels.instructions import bits_of, float_of_bits

_HALF, _ONE, _WIDTH, _NAN = np.int32(0x7FFF), np.int32(1), np.int32(16), np.int32(0x7FC00000)


def computed_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The dtype that a kernel computes in."""
    return np.dtype(np.float32 if dtype == np.uint16 else dtype)


def number(entry: Any) -> Any:
    """The number that an entry stands for; only a kernel calls it."""
    raise NotImplementedError


def stored(value: Any, array: NDArray[Any]) -> Any:
    """A number as an entry of an array, bits rounded to nearest even; only a kernel calls it."""
    raise NotImplementedError


def constant(value: float, array: NDArray[Any]) -> Any:
    """A constant in the type that the entries of an array are computed in; only a kernel calls it."""
    raise NotImplementedError


def room_for_numbers(target: NDArray[Any], scratch: NDArray[Any] | None) -> NDArray[Any]:
    """`target`, where numbers may be computed in place, or `scratch` if it holds bits; only a kernel calls it."""
    raise NotImplementedError


@overload(number, jit_options={"fastmath": False})
def _choose_number(entry):
    if entry == types.uint16:
        return lambda entry: float_of_bits(np.int32(np.int32(entry) << _WIDTH))
    return lambda entry: entry


@overload(stored, jit_options={"fastmath": False})
def _choose_stored(value, array):
    return _rounded if array.dtype == types.uint16 else lambda value, array: value


def _rounded(value, array):
    whole = bits_of(value)
    last = np.int32(np.int32(whole >> _WIDTH) & _ONE)
    rounded = np.int32(np.int32(whole + _HALF) + last)
    # Carrying over would make an infinity or a zero of some NaN.
    return np.uint16(np.int32(_NAN if np.isnan(value) else rounded) >> _WIDTH)


@overload(constant, jit_options={"fastmath": False})
def _choose_constant(value, array):
    if array.dtype == types.float64:
        return lambda value, array: np.float64(value)
    return lambda value, array: np.float32(value)


@overload(room_for_numbers)
def _choose_room_for_numbers(target, scratch):
    if target.dtype == types.uint16:
        return lambda target, scratch: scratch
    return lambda target, scratch: target
