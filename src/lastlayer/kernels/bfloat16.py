"""bfloat16, which NumPy does not know, as its bits: to float32 and, rounded to nearest even, back.

The kernels of long rows have a form here that widens a few rows at a time to scratch memory and narrows what it writes,
so that no block of them leaves the cache. Bits are uint16 (n, K), `wide` and `other` float32 scratch memory (rows, K).
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.cross_entropy import cross_entropy_gradient_rows, cross_entropy_losses_rows
from lastlayer.kernels.instructions import bits_of, float_of_bits
from lastlayer.kernels.rows import log_softmax_rows, softmax_rows
from lastlayer.kernels.softmax_backward import log_softmax_backward_rows, softmax_backward_rows

_HALF, _ONE, _WIDTH, _NAN = np.int32(0x7FFF), np.int32(1), np.int32(16), np.uint16(0x7FC0)


@compiled
def widen(bits, numbers):
    """Write the float32 `numbers` (n, m) whose upper halves are the uint16 `bits` (n, m): exact."""
    for i in range(bits.shape[0]):
        row, into = bits[i], numbers[i]
        for j in range(row.size):
            into[j] = float_of_bits(np.int32(np.int32(row[j]) << _WIDTH))


@compiled
def narrow(numbers, bits):
    """Write the uint16 `bits` (n, m) of the float32 `numbers` (n, m), rounded to nearest even."""
    for i in range(numbers.shape[0]):
        row, into = numbers[i], bits[i]
        for j in range(row.size):
            whole = bits_of(row[j])
            last = np.int32(np.int32(whole >> _WIDTH) & _ONE)
            rounded = np.uint16(np.int32(np.int32(whole + _HALF) + last) >> _WIDTH)
            into[j] = _NAN if np.isnan(row[j]) else rounded


@compiled
def softmax_bfloat16_rows(bits, scale, result, wide):
    """softmax_rows from bits to bits."""
    for start in range(0, bits.shape[0], wide.shape[0]):
        part = bits[start : start + wide.shape[0]]
        block = wide[: part.shape[0]]
        widen(part, block)
        softmax_rows(block, scale, block)
        narrow(block, result[start : start + wide.shape[0]])


@compiled
def log_softmax_bfloat16_rows(bits, scale, result, wide):
    """log_softmax_rows from bits to bits."""
    for start in range(0, bits.shape[0], wide.shape[0]):
        part = bits[start : start + wide.shape[0]]
        block = wide[: part.shape[0]]
        widen(part, block)
        log_softmax_rows(block, scale, block)
        narrow(block, result[start : start + wide.shape[0]])


@compiled
def softmax_backward_bfloat16_rows(probabilities, upstream, beta, result, wide, other):
    """softmax_backward_rows from bits to bits."""
    for start in range(0, upstream.shape[0], wide.shape[0]):
        stop = min(start + wide.shape[0], upstream.shape[0])
        p, g = wide[: stop - start], other[: stop - start]
        widen(probabilities[start:stop], p)
        widen(upstream[start:stop], g)
        softmax_backward_rows(p, g, beta, g)
        narrow(g, result[start:stop])


@compiled
def log_softmax_backward_bfloat16_rows(log_probabilities, upstream, beta, result, wide, other):
    """log_softmax_backward_rows from bits to bits."""
    for start in range(0, upstream.shape[0], wide.shape[0]):
        stop = min(start + wide.shape[0], upstream.shape[0])
        row, g = wide[: stop - start], other[: stop - start]
        widen(log_probabilities[start:stop], row)
        widen(upstream[start:stop], g)
        log_softmax_backward_rows(row, g, beta, g)
        narrow(g, result[start:stop])


@compiled
def cross_entropy_losses_bfloat16_rows(bits, labels, losses, kept, wide):
    """cross_entropy_losses_rows of bits; losses and what is kept are float32."""
    for start in range(0, bits.shape[0], wide.shape[0]):
        stop = min(start + wide.shape[0], bits.shape[0])
        block = wide[: stop - start]
        widen(bits[start:stop], block)
        part = kept[0][start:stop], kept[1][start:stop], kept[2][start:stop]
        cross_entropy_losses_rows(block, labels[start:stop], losses[start:stop], part)


@compiled
def cross_entropy_gradient_bfloat16_rows(bits, labels, row_scale, kept, result, wide, other):
    """cross_entropy_gradient_rows from bits to bits; the scale and what was kept are float32."""
    for start in range(0, bits.shape[0], wide.shape[0]):
        stop = min(start + wide.shape[0], bits.shape[0])
        block, gradient = wide[: stop - start], other[: stop - start]
        widen(bits[start:stop], block)
        part = kept[0][start:stop], kept[1][start:stop], kept[2][start:stop]
        cross_entropy_gradient_rows(block, labels[start:stop], row_scale[start:stop], part, gradient)
        narrow(gradient, result[start:stop])
