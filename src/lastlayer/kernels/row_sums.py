"""The maximum and the sum of exponentials of one contiguous row, a vector at a time, compensated across blocks.

Where a logarithm or a gradient follows, the sum comes in two parts. Entries at the maximum, whose exponential is 1, are
counted; all others are added. So the logarithm keeps its relative accuracy when one class takes nearly everything
(it is the log1p of the others), and the gradient of a confident right answer does not cancel.

Differences from the maximum are rounded once, which costs a term exp(-d) a relative error of d units in the last place
and a probability p one of ln p.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import UNIT, exponential_in_units
from lastlayer.kernels.instructions import larger, prefetch_to_read, prefetch_to_write, where_at_least
from lastlayer.kernels.logarithm import logarithm
from lastlayer.kernels.vectors import (
    filled,
    lane_count,
    largest_lane,
    load,
    load_first,
    store,
    store_first,
    sum_of_lanes,
)

# Vectors that are added plainly, half of them to either of two sums, before their sum is added exactly. Equal terms
# beside a winner's 1 all round alike, by half a unit in the last place each; the bound on float64 leaves less room.
_BLOCK_32, _BLOCK_64 = 16, 8
# Rows of so many bytes have the next one fetched meanwhile: of shorter ones the processor does that by itself, and two
# longer ones have no room in the second cache.
_SHORTEST_FETCHED, _LONGEST_FETCHED = 1 << 11, 1 << 17


@compiled(inline=True)
def _block(row):
    return lane_count(row) * (_BLOCK_64 if row.itemsize == 8 else _BLOCK_32)


@compiled(inline=True)
def _next_row(row):
    """How far the row after this one is, to be fetched while this one is summed; 0 for rows where that costs more."""
    size = row.size * row.itemsize
    return row.size if _SHORTEST_FETCHED <= size <= _LONGEST_FETCHED else 0


@compiled(inline=True)
def row_maximum(row):
    """The largest entry of a row, -inf if all are; NaN is passed over, since sums will meet it."""
    width = lane_count(row)
    whole = row.size - row.size % width
    even = odd = filled(row, -np.inf)  # two, so that one does not wait for the other
    for j in range(0, whole, width):
        even, odd = odd, larger(load(row, j), even)
    if whole < row.size:
        odd = larger(load_first(row, whole, row.size - whole, -np.inf), odd)
    return largest_lane(larger(even, odd))


@compiled(inline=True)
def holds_nan(row):
    """Whether there is a NaN in a row."""
    count = 0
    for j in range(row.size):
        count += np.isnan(row[j])
    return count > 0


@compiled(inline=True)
def sum_of_exponentials(row, top, scale, exponentials):
    """Write `unit` exp(beta (row - top)) to `exponentials` (K,), possibly the row, and return their sum, in units."""
    width, block, ahead = lane_count(row), _block(row), _next_row(row)
    total = lost = 0.0
    for start in range(0, row.size, block):
        stop = min(start + block, row.size)
        whole = stop - (stop - start) % width
        even = odd = filled(row, 0)
        for j in range(start, whole, width):
            values = exponential_in_units(load(row, j) - top, scale)
            store(exponentials, j, values)
            even, odd = odd, even + values
            if ahead:  # which may be beyond the array: fetching reads nothing
                prefetch_to_read(row, j + ahead)
                prefetch_to_write(exponentials, j + ahead)
        if whole < stop:
            values = exponential_in_units(load_first(row, whole, stop - whole, -np.inf) - top, scale)
            store_first(exponentials, whole, values, stop - whole)
            odd = odd + values
        total, error = exact_sum(total, np.float64(sum_of_lanes(even + odd)))
        lost += error
    return total + lost


@compiled(inline=True)
def sum_in_parts(row, top, scale, exponentials):
    """Sum exp(beta (row - top)) in float64 as (others, others_low, winners).

    Args:
      row: (K,) logits.
      top: their maximum; if it is not finite, or a logit is NaN, the sum is NaN.
      scale: the constants of the exponential.
      exponentials: (K,), written, in units, and may be the row; or None.
    Returns: the sum over all entries below the maximum, as an unevaluated sum of two, and the number of those at it.
    """
    width, block, unit, ahead = lane_count(row), _block(row), scale[UNIT], _next_row(row)
    ones, nothing = filled(row, 1), filled(row, 0)
    total = lost = winners = 0.0
    for start in range(0, row.size, block):
        stop = min(start + block, row.size)
        whole = stop - (stop - start) % width
        even = odd = below = nothing
        for j in range(start, whole, width):
            values = exponential_in_units(load(row, j) - top, scale)
            if exponentials is not None:
                store(exponentials, j, values)
            even, odd = odd, even + where_at_least(values, unit, 0, values)
            below = below + where_at_least(values, unit, 0, ones)
            if ahead:
                prefetch_to_read(row, j + ahead)
                if exponentials is not None:
                    prefetch_to_write(exponentials, j + ahead)
        if whole < stop:
            values = exponential_in_units(load_first(row, whole, stop - whole, -np.inf) - top, scale)
            if exponentials is not None:
                store_first(exponentials, whole, values, stop - whole)
            odd = odd + where_at_least(values, unit, 0, values)
            below = below + where_at_least(values, unit, 0, ones)
        total, error = exact_sum(total, np.float64(sum_of_lanes(even + odd)))
        lost += error
        # Lanes without an entry are below the maximum.
        filled_up = whole - start + (width if whole < stop else 0)
        winners += filled_up - np.float64(sum_of_lanes(below))
    per_unit = 1.0 / np.float64(unit)
    return total * per_unit, lost * per_unit, winners


@compiled(inline=True)
def log_of_sum(others, lost, winners):
    """log(winners + others + lost) of numbers of one type, to full relative accuracy when it is near 0."""
    high, low = exact_sum(winners, others)
    return logarithm(high, low + lost)
