"""bfloat16, which NumPy does not know, as its bits: to float32 and, rounded to nearest even, back."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import bits_of, float_of_bits

_HALF, _ONE, _WIDTH, _NAN = np.int32(0x7FFF), np.int32(1), np.int32(16), np.uint16(0x7FC0)


@compiled
def widen(bits, numbers):
    """Write the float32 `numbers` (n,) whose upper halves are the uint16 `bits` (n,): exact."""
    for i in range(bits.size):
        numbers[i] = float_of_bits(np.int32(np.int32(bits[i]) << _WIDTH))


@compiled
def narrow(numbers, bits):
    """Write the uint16 `bits` (n,) of the float32 `numbers` (n,), rounded to nearest even."""
    for i in range(numbers.size):
        whole = bits_of(numbers[i])
        last = np.int32(np.int32(whole >> _WIDTH) & _ONE)
        rounded = np.uint16(np.int32(np.int32(whole + _HALF) + last) >> _WIDTH)
        bits[i] = _NAN if np.isnan(numbers[i]) else rounded
