"""Sums of exponentials of one contiguous row, in short blocks: vector sums inside, compensated sums across.

The sum comes in two parts. Entries at the maximum, whose exponential is 1, are counted; all others are added. So the
logarithm of the sum keeps its relative accuracy when one class takes nearly everything (log1p of the others), and the
gradient of a confident right answer does not cancel.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum, scaled_difference
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.instructions import maximum
from lastlayer.kernels.logarithm import logarithm

# Long enough to hide the sum across lanes, short enough that plain addition in a lane costs a unit or two.
_BLOCK = 128


@compiled(inline=True)
def row_maximum(row):
    """The largest entry of a row, NaN if there is one, -inf if all are."""
    top = row.dtype.type(-np.inf)
    for j in range(row.size):
        top = maximum(top, row[j])
    return top


@compiled(inline=True)
def copied_maximum(row, copy):
    """The largest entry of `row`, as in row_maximum, leaving the row in `copy`, which may be `row` itself.

    Whoever writes over a row copies it first and then works in place: LLVM vectorises a loop over one array, but
    falls back to scalar code when what it reads and what it writes may be the same.
    """
    if row.ctypes.data == copy.ctypes.data:
        return row_maximum(row)
    top = row.dtype.type(-np.inf)
    for j in range(row.size):
        copy[j] = row[j]
        top = maximum(top, row[j])
    return top


@compiled(inline=True, fastmath={"reassoc"})
def _block(row, top, beta, beta_low, keep):
    others = winners = row.dtype.type(0)
    for j in range(row.size):
        high, low = scaled_difference(row[j], top, beta, beta_low)
        value = exponential(high, low)
        if keep is not None:
            row[j] = value
        at_top = np.floor(value)
        winners += at_top
        others += value - at_top
    return others, winners


@compiled(inline=True)
def sum_of_exponentials(row, top, beta, beta_low, keep):
    """Sum exp(beta (row - top)) in float64 as (others, others_low, winners).

    Args:
      row: (K,) logits, float32 or float64.
      top: their maximum; if it is not finite, `others` is NaN.
      beta: the scale, in the row's type.
      beta_low: what rounding took from it.
      keep: True to leave the exponentials in `row`, None to leave `row` alone.
    Returns: the sum over the classes below the maximum as an unevaluated sum of two, and the number of the others.
    """
    total = lost = winners = 0.0
    for start in range(0, row.size, _BLOCK):
        others, at_top = _block(row[start : start + _BLOCK], top, beta, beta_low, keep)
        total, error = exact_sum(total, np.float64(others))
        lost += error
        winners += np.float64(at_top)
    return total, lost, winners


@compiled(inline=True)
def log_of_sum(others, lost, winners):
    """log(winners + others + lost) in float64, to full relative accuracy when it is near 0."""
    high, low = exact_sum(winners, others)
    return logarithm(high, low + lost)
